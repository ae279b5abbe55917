/**
 * Finds what a server started, by a mark in its environment: tools run in sessions and process groups of their own, so
 * neither a signal to the server nor one to its group reaches them.
 *
 * On Linux the mark is read from `/proc`. A process that dropped its environment (`env -i`) is found by sharing the
 * session of a marked one; one that did both (`setsid env -i`) escapes: only a cgroup would hold it.
 * On macOS `ps -E` shows the environment of the user's own, not system-protected processes: best effort.
 *
 * @since 0.1.0
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { readdir, readFile, readlink } from "node:fs/promises"
import { Effect, Schedule } from "effect"

/** The variable that marks every process below a server. */
export const markVariable = "OPENCODE_HOST_ID"

/**
 * The living processes that a host's servers started, the servers included. Empty after the host's scope has closed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const survivors = (hostId: string): Effect.Effect<ReadonlyArray<number>> =>
  Effect.promise(() => (process.platform === "linux" ? scanProc(hostId) : scanPs(hostId)))

/** Kills every survivor, again and again until two scans in a row find none: a process in `exec` shows no mark. */
export const sweep = Effect.fnUntraced(function* (hostId: string) {
  let clean = 0
  yield* survivors(hostId).pipe(
    Effect.tap((pids) =>
      Effect.sync(() => {
        clean = pids.length === 0 ? clean + 1 : 0
        for (const pid of pids) kill(pid)
      })
    ),
    Effect.repeat({ until: () => clean === 2, schedule: Schedule.spaced("25 millis"), times: 200 })
  )
})

const kill = (pid: number) => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has gone by itself.
  }
}

interface Process {
  readonly pid: number
  readonly sid: number
  readonly marked: boolean
}

/** Empty for a process that has gone or is another user's. */
const readProc = (pid: string | number, file: string) => readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "")

const scanProc = async (hostId: string): Promise<ReadonlyArray<number>> => {
  const mark = `${markVariable}=${hostId}`
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const processes = await Promise.all(
    names.map(async (name): Promise<Process | undefined> => {
      const [environ, stat] = await Promise.all([readProc(name, "environ"), readProc(name, "stat")])
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      // A zombie (Z, X) has ended: it waits for its parent only.
      if (fields.length < 4 || fields[0] === "Z" || fields[0] === "X") return undefined
      return { pid: Number(name), sid: Number(fields[3]), marked: environ.split("\0").includes(mark) }
    })
  )
  return ownedBy(processes.filter((entry) => entry !== undefined))
}

/**
 * The marked processes, and those in a session that a marked process leads or whose leader is gone. A session whose
 * leader lives unmarked is somebody else's: a terminal from which a marked process was started by hand, say.
 */
const ownedBy = (processes: ReadonlyArray<Process>): ReadonlyArray<number> => {
  const byPid = new Map(processes.map((entry) => [entry.pid, entry]))
  const sessions = new Set(
    processes.filter((entry) => entry.marked && byPid.get(entry.sid)?.marked !== false).map((entry) => entry.sid)
  )
  return processes.filter((entry) => entry.marked || sessions.has(entry.sid)).map((entry) => entry.pid)
}

const scanPs = (hostId: string): Promise<ReadonlyArray<number>> =>
  new Promise((resolve) => {
    execFile("ps", ["-axEww", "-o", "pid=,command="], { maxBuffer: 64 * 1024 * 1024 }, (_, stdout) =>
      resolve(
        stdout
          .split("\n")
          .filter((line) => line.includes(`${markVariable}=${hostId}`))
          .map((line) => Number.parseInt(line, 10))
      )
    )
  })

/** What tells a process from a later one with the same pid. An empty field is unknown. */
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

/** What is known of both must agree: nobody is taken for dead because something cannot be read. */
export const isSameProcess = (one: ProcessIdentity, other: ProcessIdentity): boolean =>
  agree(one.started, other.started) && agree(one.command, other.command)

const agree = (one: string, other: string) => one === "" || other === "" || one === other

type Described = readonly [started: string | undefined, program: string]

const fromProc = async (pid: number): Promise<Described> => {
  const stat = await readProc(pid, "stat")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  if (fields.length < 20 || fields[0] === "Z") return [undefined, ""]
  const boot = await readProc("sys", "kernel/random/boot_id")
  const program = await readlink(`/proc/${pid}/exe`).catch(() => "")
  // So the link ends when the program was updated under it.
  return [`${boot.trim()}:${fields[19]}`, program.replace(/ \(deleted\)$/, "")]
}

const fromPs = async (pid: number): Promise<Described> => {
  const [started, program] = await Promise.all(["lstart=", "ucomm="].map((column) => ps(pid, column)))
  return [started || undefined, program ?? ""]
}

const ps = (pid: number, column: string) =>
  new Promise<string>((resolve) => {
    execFile("ps", ["-o", column, "-p", String(pid)], (_, stdout) => resolve(stdout.trim()))
  })

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
    const stat = await readProc(pid, "stat")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    // In ticks, of which every Linux tells 100 a second.
    return 10 * (Number(fields[11] ?? 0) + Number(fields[12] ?? 0))
  })
