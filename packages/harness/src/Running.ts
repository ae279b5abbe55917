/** A child process: its output, signals to it, and its end. */
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process"
import { once } from "node:events"
import { until } from "./until.ts"

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running extends AsyncDisposable {
  readonly child: ChildProcess
  readonly pid: number
  /** Output so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly isAlive: () => boolean
  readonly kill: (signal: NodeJS.Signals) => void
  /** Sends the signal and waits for the end. */
  readonly end: (signal: NodeJS.Signals) => Promise<void>
  /** Stops reading the output, as `head` does. */
  readonly closeOutput: () => void
  readonly exited: Promise<unknown>
  /** The end of the process and of its output. */
  readonly ended: Promise<Ended>
  /** Waits for a match in the output; rejects when the process ends without one. Default: standard output. */
  readonly prints: (pattern: RegExp, stream?: "stdout" | "stderr") => Promise<RegExpExecArray>
  /** Milliseconds from the start of the process to the arrival of a match of standard output. */
  readonly timeOf: (match: RegExpExecArray) => number
}

export interface ProcessOptions {
  readonly program: string
  readonly args: ReadonlyArray<string>
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Default: no standard input, pipes for the output. */
  readonly stdio?: StdioOptions
}

/** Starts a process. Disposal kills it. So does the exit of this process. */
export const startProcess = ({ args, cwd, environment, program, stdio }: ProcessOptions): Running => {
  const began = performance.now()
  const child = spawn(program, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...environment },
    stdio: stdio ?? ["ignore", "pipe", "pipe"]
  })
  let stdout = ""
  let stderr = ""
  const chunks: Array<{ readonly length: number; readonly at: number }> = []
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
    chunks.push({ length: stdout.length, at: performance.now() - began })
  })
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text))

  const output = () => `${stdout}\n${stderr}`
  const isAlive = () => child.exitCode === null && child.signalCode === null
  const killOnExit = () => child.kill("SIGKILL")
  process.once("exit", killOnExit)
  const exited = once(child, "exit").then(() => process.off("exit", killOnExit))
  let isClosed = false
  const ended = once(child, "close").then(() => {
    isClosed = true
    return { code: child.exitCode, stdout, stderr }
  })
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await exited
  }
  return {
    child,
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    isAlive,
    kill: (signal) => child.kill(signal),
    end,
    closeOutput: () => {
      child.stdout?.destroy()
      child.stderr?.destroy()
    },
    exited,
    ended,
    prints: async (pattern, stream = "stdout") => {
      const find = () => pattern.exec(stream === "stdout" ? stdout : stderr)
      await until(() => isClosed || find() !== null, `${pattern} in the output of ${program}`, output)
      const found = find()
      if (found === null) throw new Error(`${program} ended without ${pattern}:\n${output()}`)
      return found
    },
    timeOf: ({ index }) => chunks.find(({ length }) => length > index)?.at ?? Number.NaN,
    [Symbol.asyncDispose]: () => end("SIGKILL")
  }
}
