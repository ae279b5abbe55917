/** Child processes that are killed and started again. */
import { type ChildProcess, spawn } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import { Effect, Option, type Scope } from "effect"
import { NotReached, until } from "./NotReached.ts"

export interface Child {
  readonly pid: number
  /** Both streams, as far as it wrote. */
  readonly output: () => string
  readonly isAlive: () => boolean
  /** Waits for a match in the output; fails if the process ends without. */
  readonly says: (pattern: RegExp) => Effect.Effect<RegExpExecArray, NotReached>
  /** Sends the signal and waits until the process is gone. */
  readonly end: (signal: "SIGKILL" | "SIGTERM") => Effect.Effect<void, NotReached>
}

export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly cwd?: string
  readonly environment: Readonly<Record<string, string>>
}

const isAlive = (child: ChildProcess) => child.exitCode === null && child.signalCode === null

/** Runs the command; what still lives when the scope closes is killed. */
export const start = Effect.fnUntraced(function* (command: Command): Effect.fn.Return<Child, never, Scope.Scope> {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(command.program, command.args, {
        cwd: command.cwd,
        env: command.environment,
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    (started) =>
      Effect.callback<void>((resume) => {
        if (!isAlive(started)) return resume(Effect.void)
        started.once("exit", () => resume(Effect.void))
        started.kill("SIGKILL")
      })
  )
  let output = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text))
  }
  return {
    pid: child.pid ?? 0,
    output: () => output,
    isAlive: () => isAlive(child),
    says: (pattern) =>
      until(
        `${pattern} in what ${command.program} writes`,
        Effect.suspend(() => {
          const found = pattern.exec(output)
          if (found === null && !isAlive(child)) {
            return new NotReached({ problem: `The process ended before it wrote ${pattern}:\n${output}` })
          }
          return Effect.succeed(Option.fromNullOr(found))
        })
      ),
    end: (signal) =>
      until(
        `process ${child.pid} to end`,
        Effect.sync(() => (isAlive(child) ? Option.none() : Option.some(undefined)))
      ).pipe((ended) =>
        Effect.andThen(
          Effect.sync(() => child.kill(signal)),
          ended
        )
      )
  }
})

export interface Found {
  readonly pid: number
  /** The arguments, separated by spaces. */
  readonly command: string
}

const read = (path: string) => readFile(path, "latin1").catch(() => "")

/** The living processes whose environment names `root`, wherever in the process tree they are. Linux only. */
export const processesOf = (root: string): Effect.Effect<ReadonlyArray<Found>> =>
  Effect.promise(async () => {
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name))
    const found = await Promise.all(
      pids.map(async (pid) => {
        if (!(await read(`/proc/${pid}/environ`)).includes(root)) return []
        return [{ pid: Number(pid), command: (await read(`/proc/${pid}/cmdline`)).replaceAll("\0", " ") }]
      })
    )
    return found.flat()
  })

/** Resident memory of a process, in bytes. */
export const residentBytes = (pid: number): Effect.Effect<number> =>
  Effect.promise(async () => 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(await read(`/proc/${pid}/status`))?.[1] ?? 0))

/** To a process that may just have gone. */
export const signal = (pid: number, name: NodeJS.Signals): Effect.Effect<void> =>
  Effect.sync(() => {
    try {
      process.kill(pid, name)
    } catch {
      // It has gone by itself.
    }
  })
