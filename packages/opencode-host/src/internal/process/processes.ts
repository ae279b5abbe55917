/**
 * Finds and ends the processes that a server started, and identifies processes.
 *
 * Tools run in sessions and process groups of their own, so neither a signal to the server nor one to its group reaches
 * them. They are found by the host's control group, by a mark in their environment, by their parents and by their
 * sessions; see `belonging.ts`. On macOS `ps -E` shows the environment of the user's own, not
 * system-protected processes, and no sessions: best effort.
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { readlink } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type Belonging, belonging, nothing } from "./belonging.ts"
import { end, readProc, readTable, startField, statFields } from "./processTable.ts"

/**
 * The living processes that a host's servers started, the servers included. Empty after the host's scope has closed.
 */
export const listProcesses = (hostId: string): Effect.Effect<ReadonlyArray<number>> =>
  Effect.map(look(hostId, nothing), ({ processes }) => [...processes.keys()])

/** The processes of a host now; `known` is the result of an earlier look. */
export const look = (hostId: string, known: Belonging): Effect.Effect<Belonging> =>
  Effect.promise(async () => belonging(await readTable(hostId), known))

/** Kills what belongs to a host until two looks in a row find nothing: a process in `exec` shows no mark. */
export const killAll = Effect.fnUntraced(function* (hostId: string, known: Belonging = nothing) {
  let found = known
  let clean = 0
  const round = Effect.map(
    Effect.suspend(() => look(hostId, found)),
    (next) => {
      found = next
      clean = next.processes.size === 0 ? clean + 1 : 0
      for (const [pid, started] of next.processes) end(pid, started)
    }
  )
  yield* Effect.repeat(round, { until: () => clean === 2, schedule: Schedule.spaced("25 millis"), times: 200 })
})

/** Distinguishes a process from a later one with the same pid. An empty field is unknown. */
export interface ProcessIdentity {
  /** The boot and the clock tick of its start on Linux, the second on macOS. */
  readonly started: string
  /** SHA-256 of the program that it runs. Not of its arguments: a process may rewrite those while it lives. */
  readonly command: string
}

/** Undefined: no such process. */
export const processIdentity = (pid: number): Effect.Effect<ProcessIdentity | undefined> =>
  Effect.promise(async () => {
    const [started, program] = await (process.platform === "linux" ? fromProc(pid) : fromPs(pid))
    if (started === undefined) return undefined
    return { started, command: program === "" ? "" : createHash("sha256").update(program).digest("hex") }
  })

/** The known fields must agree: a process is not taken for dead because something cannot be read. */
export const isSameProcess = (one: ProcessIdentity, other: ProcessIdentity): boolean =>
  agree(one.started, other.started) && agree(one.command, other.command)

const agree = (one: string, other: string) => one === "" || other === "" || one === other

type Described = readonly [started: string | undefined, program: string]

const fromProc = async (pid: number): Promise<Described> => {
  const stat = await readProc(pid, "stat")
  const fields = statFields(stat)
  if (fields.length <= startField || fields[0] === "Z") return [undefined, ""]
  const boot = await readProc("sys", "kernel/random/boot_id")
  const program = await readlink(`/proc/${pid}/exe`).catch(() => "")
  // So the link ends when the program was updated under it.
  return [`${boot.trim()}:${fields[startField]}`, program.replace(/ \(deleted\)$/, "")]
}

const fromPs = async (pid: number): Promise<Described> => {
  const [started, program] = await Promise.all(["lstart=", "ucomm="].map((column) => ps(pid, column)))
  return [started || undefined, program ?? ""]
}

const ps = (pid: number, column: string) =>
  new Promise<string>((resolve) => {
    execFile("ps", ["-o", column, "-p", String(pid)], (_, stdout) => resolve(stdout.trim()))
  })

/** Epoch ms at which a process started. Undefined: no such process. `0`: unknown. */
export const startTime = async (pid: number): Promise<number | undefined> => {
  if (process.platform !== "linux") {
    const started = await ps(pid, "lstart=")
    return started === "" ? undefined : Date.parse(started) || 0
  }
  const fields = statFields(await readProc(pid, "stat"))
  if (fields.length <= startField || fields[0] === "Z") return undefined
  const boot = Number(/^btime (\d+)/m.exec(await readProc(".", "stat"))?.[1] ?? Number.NaN)
  return boot * 1000 + 10 * Number(fields[startField]) || 0
}

/** Resident memory of a process, in bytes; 0 when it has gone. */
export const residentBytes = (pid: number): Effect.Effect<number> =>
  Effect.promise(async () => {
    const kilobytes =
      process.platform === "linux" ? /^VmRSS:\s+(\d+)/m.exec(await readProc(pid, "status"))?.[1] : await ps(pid, "rss=")
    return Number(kilobytes ?? 0) * 1024
  })

/** CPU time that a process has used since its start, in ms; 0 when it has gone. */
export const cpuMillis = (pid: number): Effect.Effect<number> =>
  Effect.promise(async () => {
    if (process.platform !== "linux") {
      return 1000 * (await ps(pid, "time=")).split(":").reduce((sum, part) => sum * 60 + Number(part), 0)
    }
    const fields = statFields(await readProc(pid, "stat"))
    // In ticks, of which every Linux reports 100 a second.
    return 10 * (Number(fields[11] ?? 0) + Number(fields[12] ?? 0))
  })
