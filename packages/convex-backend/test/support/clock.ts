/**
 * The clock of a deployment under test. Functions may run in a thread of their own, which shares the environment and
 * nothing else: so a module in their folder reads from there how far time was moved.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"
import { vi } from "vitest"
import { functionsDir } from "../../src/index.ts"

const moved = "CONVEX_BACKEND_TEST_CLOCK"
const slowSince = "CONVEX_BACKEND_TEST_CLOCK_SLOW_SINCE"
const real = (): number => Math.trunc(performance.timeOrigin + performance.now())

const install = (): void => {
  vi.spyOn(Date, "now").mockImplementation(() => {
    const at = real()
    const since = Number(process.env[slowSince] ?? at)
    return Math.trunc(since + (at - since) / 10) + Number(process.env[moved] ?? 0)
  })
}

/** Moves the time on, for this process and its deployment. */
export const passTime = (millis: number): void => {
  process.env[moved] = String(Number(process.env[moved] ?? 0) + millis)
  install()
}

export const resetTime = (): void => {
  delete process.env[moved]
  vi.restoreAllMocks()
  if (process.env[slowSince] !== undefined) install()
}

/** Time passes ten times slower, so that a slow machine stays within a period of seconds. Call it before the start. */
export const slowTime = (): void => {
  process.env[slowSince] = String(real())
  install()
}

export const endSlowTime = (): void => {
  delete process.env[slowSince]
  resetTime()
}

/** Fills `folder` with the package's functions, under this clock. They are bundled here, so that a restart does not bundle them. */
export const functionsUnderClock = async (folder: string): Promise<void> => {
  await build({
    bundle: true,
    chunkNames: "_deps/[hash]",
    conditions: ["convex", "module"],
    entryPoints: [`${functionsDir}/*.ts`],
    format: "esm",
    outExtension: { ".js": ".mjs" },
    outdir: folder,
    platform: "node",
    splitting: true
  })
  // By the clock of the process: the other ones stand still within a function, at a time that has the move in it already.
  const source = `const millis = () => Number(process.hrtime.bigint()) / 1e6
const origin = performance.timeOrigin + performance.now() - millis()
Date.now = () => {
  const at = origin + millis()
  const since = Number(process.env["${slowSince}"] ?? at)
  return Math.trunc(since + (at - since) / 10) + Number(process.env["${moved}"] ?? 0)
}
export {}`
  writeFileSync(join(folder, "clock.mjs"), source)
}
