/**
 * The clock of a deployment under test. Functions may run in a thread of their own, which shares the environment and
 * nothing else: so a module in their folder reads from there how far time was moved.
 */
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { vi } from "vitest"
import { functionsDir } from "../../src/index.ts"

const variable = "CONVEX_BACKEND_TEST_CLOCK"
const real = (): number => Math.trunc(performance.timeOrigin + performance.now())

/** Moves the time on, for this process and its deployment. */
export const passTime = (millis: number): void => {
  const moved = Number(process.env[variable] ?? 0) + millis
  process.env[variable] = String(moved)
  vi.spyOn(Date, "now").mockImplementation(() => real() + moved)
}

export const resetTime = (): void => {
  delete process.env[variable]
  vi.restoreAllMocks()
}

/** Fills `folder` with the package's functions, under this clock. */
export const functionsUnderClock = (folder: string): void => {
  for (const name of readdirSync(functionsDir).filter((entry) => entry.endsWith(".ts"))) {
    const from = JSON.stringify(join(functionsDir, name))
    const whole = ["schema.ts", "crons.ts", "http.ts", "auth.config.ts"].includes(name)
    writeFileSync(join(folder, name), whole ? `export { default } from ${from}` : `export * from ${from}`)
  }
  // By the clock of the process: the other ones stand still within a function, at a time that has the move in it already.
  const source = `const millis = () => Number(process.hrtime.bigint()) / 1e6
const origin = performance.timeOrigin + performance.now() - millis()
Date.now = () => Math.trunc(origin + millis()) + Number(process.env["${variable}"] ?? 0)
export {}`
  writeFileSync(join(folder, "clock.ts"), source)
}
