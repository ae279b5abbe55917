/** Runs the built `opencode-worker` command as a user does: a process of its own, with a home of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { createConnection } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"

const program = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url))

/** A loaded machine boots OpenCode slowly, and a lease of a process that is silent lasts; a condition that holds later than this never holds. */
const limitMillis = 90_000

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly pid: number
  /** What was written to standard output so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly kill: (signal: NodeJS.Signals) => void
  /** Stops reading what is written, as `head` does. */
  readonly leave: () => void
  readonly ended: Promise<Ended>
  /** Waits until the standard output holds a match. */
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>
}

const projectIn = (root: string) => join(root, "project")

/**
 * A home for one test; everything that the command writes or starts is below it or carries its path. The command runs in
 * the directory `project` of it.
 */
export const home = Effect.acquireRelease(
  Effect.promise(async () => {
    const root = await mkdtemp(join(tmpdir(), "opencode-worker-"))
    await mkdir(projectIn(root))
    return root
  }),
  (root) => Effect.promise(() => rm(root, { recursive: true, force: true, maxRetries: 20 }))
)

/** Waits for a condition that another process brings about. */
export const until = async (
  holds: () => boolean | Promise<boolean>,
  what: string,
  said: () => string = () => ""
): Promise<void> => {
  const deadline = performance.now() + limitMillis
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${limitMillis} ms for ${what}\n${said()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const environment = (root: string, extra: Readonly<Record<string, string>>) => ({
  PATH: process.env["PATH"] ?? "",
  HOME: root,
  XDG_STATE_HOME: join(root, "state"),
  XDG_CONFIG_HOME: join(root, "config"),
  XDG_DATA_HOME: join(root, "data"),
  XDG_CACHE_HOME: join(root, "cache"),
  OPENCODE_DISABLE_AUTOUPDATE: "1",
  OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
  OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
  OPENCODE_DISABLE_MODELS_FETCH: "1",
  npm_config_offline: "true",
  ...extra
})

const watch = (child: ChildProcess): Running => {
  let stdout = ""
  let stderr = ""
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text))
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text))
  const ended = once(child, "close").then(() => ({ code: child.exitCode, stdout, stderr }))
  return {
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal) => child.kill(signal),
    leave: () => {
      child.stdout?.destroy()
      child.stderr?.destroy()
    },
    ended,
    says: async (pattern) => {
      await until(
        () => pattern.test(stdout) || child.exitCode !== null,
        String(pattern),
        () => `${stdout}\n${stderr}`
      )
      const found = pattern.exec(stdout)
      if (found === null) throw new Error(`The command ended without ${pattern}:\n${stdout}\n${stderr}`)
      return found
    }
  }
}

/** Ends what a test that failed left running. */
const release = (root: string, { child, running }: { readonly child: ChildProcess; readonly running: Running }) =>
  Effect.promise(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
    await running.ended
    await processesBelow(root).then((pids) => pids.forEach((pid) => process.kill(pid, "SIGKILL")))
  })

export interface Options {
  readonly root: string
  /** Given as standard input, which then ends. Default: none at all. */
  readonly stdin?: string
  /** A file in place of a pipe to the test. */
  readonly stdout?: number
  readonly environment?: Readonly<Record<string, string>>
}

/** Starts the command; a test that fails leaves nothing running. */
export const start = (options: Options, ...args: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [program, ...args], {
          cwd: projectIn(options.root),
          env: environment(options.root, options.environment ?? {}),
          stdio: [options.stdin === undefined ? "ignore" : "pipe", options.stdout ?? "pipe", "pipe"]
        })
        child.stdin?.end(options.stdin)
        return { child, running: watch(child) }
      }),
      (started) => release(options.root, started)
    ),
    ({ running }) => running
  )

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** Part of util-linux. */
const terminal = "script"

/** Starts the command at a terminal of its own, whose settings are printed in the end. */
export const atTerminal = (options: Options, ...args: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const line = `${[process.execPath, program, ...args].map(quoted).join(" ")}; echo "exit code $?"; stty -a`
        const child = spawn(terminal, ["--quiet", "--flush", "--command", line, "/dev/null"], {
          cwd: projectIn(options.root),
          env: environment(options.root, { TERM: "xterm", ...options.environment }),
          stdio: ["pipe", "pipe", "pipe"]
        })
        return { child, running: watch(child) }
      }),
      (started) => release(options.root, started)
    ),
    ({ child, running }) => ({ ...running, type: (text: string) => child.stdin.write(text) })
  )

/** Runs the command to its end. */
export const run = (options: Options, ...args: ReadonlyArray<string>) =>
  Effect.flatMap(start(options, ...args), ({ ended }) => Effect.promise(() => ended))

/** Living processes other than the command itself that know of this home by their environment: the server and its tools. */
export const processesBelow = async (root: string): Promise<ReadonlyArray<number>> => {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    names.map(async (pid) => {
      const read = (file: string) => readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "")
      const [variables, command] = [await read("environ"), await read("cmdline")]
      return variables.includes(root) && !command.includes(program) ? [Number(pid)] : []
    })
  )
  return found.flat()
}

/** Waits until nothing of this home lives any more. */
export const nothingLives = (root: string) =>
  Effect.promise(() => until(async () => (await processesBelow(root)).length === 0, `the processes of ${root} to end`))

export const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port })
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", () => resolve(false))
  })

/** The port in an address that the command printed. */
export const portOf = (said: string): number => Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1])
