/** The builds of OpenCode that this machine can run, best first. */
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

export interface Machine {
  readonly platform: string
  readonly arch: string
  /** Linux with musl instead of glibc. */
  readonly musl: boolean
  /** Without it (x64) only a baseline build runs; others end with SIGILL. */
  readonly avx2: boolean
}

/** Names of npm packages. Pure. */
export const platformPackages = ({ arch, avx2, musl, platform }: Machine): ReadonlyArray<string> => {
  const libc = platform === "linux" && musl ? "-musl" : ""
  const name = `opencode-${platform}-${arch}`
  if (arch !== "x64") return [`${name}${libc}`]
  const baseline = `${name}-baseline${libc}`
  return avx2 ? [`${name}${libc}`, baseline] : [baseline]
}

export const thisMachine: Effect.Effect<Machine> = Effect.promise(async () => {
  const { arch, platform } = process
  return { arch, platform, musl: platform === "linux" && usesMusl(), avx2: arch === "x64" && (await hasAvx2()) }
})

/** Of this Node.js, which runs on the libc of the machine. */
const usesMusl = (): boolean => {
  // Without it, the report looks up host names. The types do not know it.
  Object.assign(process.report, { excludeNetwork: true })
  const report: object = process.report.getReport()
  return Predicate.hasProperty(report, "header") && !Predicate.hasProperty(report.header, "glibcVersionRuntime")
}

const hasAvx2 = async (): Promise<boolean> => {
  if (process.platform === "linux") return / avx2( |$)/m.test(await readFile("/proc/cpuinfo", "utf8").catch(() => ""))
  if (process.platform !== "darwin") return true
  return new Promise((resolve) =>
    execFile("sysctl", ["-n", "hw.optional.avx2_0"], (_, stdout) => resolve(stdout.trim() === "1"))
  )
}
