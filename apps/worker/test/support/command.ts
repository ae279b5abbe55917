/** Runs the built `opencode-worker` command as a user does: in a separate process with its own home. */
import type { StdioOptions } from "node:child_process"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { createConnection } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { processesOf, signal, startProcess, until, workerProgram } from "@opencode-worker/harness"
import { Effect } from "effect"
import { runShared } from "./sharedProcess.ts"
import { size } from "./terminalScreen.ts"

const projectIn = (root: string) => join(root, "project")

/**
 * A home for one test. Everything that the command writes or starts is below it or carries its path. The command runs in
 * its directory `project`.
 */
export const home = Effect.acquireRelease(
  Effect.promise(async () => {
    const root = await mkdtemp(join(tmpdir(), "opencode-worker-"))
    await mkdir(projectIn(root))
    // OpenCode's own catalogue of models costs 2 to 3 CPU seconds per start.
    await mkdir(join(root, "cache", "opencode"), { recursive: true })
    await writeFile(join(root, "cache", "opencode", "models.json"), "{}")
    // OpenCode installs the package for plugins into a folder whose lock file does not name it: 0.4 CPU seconds per start.
    const configuration = join(root, "config", "opencode")
    await mkdir(join(configuration, "node_modules"), { recursive: true })
    const lock = { packages: { "": { dependencies: { "@opencode-ai/plugin": "*" } } } }
    await writeFile(join(configuration, "package-lock.json"), JSON.stringify(lock))
    return root
  }),
  (root) => Effect.promise(() => rm(root, { recursive: true, force: true, maxRetries: 20 }))
)

/** A program in place of OpenCode that never becomes ready, for tests in which a worker needs none. */
export const sleepingOpenCode = (root: string) =>
  Effect.promise(async () => {
    const program = join(root, "sleeping-opencode")
    await writeFile(program, "#!/bin/sh\nexec sleep 600\n", { mode: 0o755 })
    return program
  })

/** A program in place of OpenCode that is healthy, and responds to nothing else: a worker pairs with it, and its prompts wait. */
export const idleOpenCode = (root: string) =>
  Effect.promise(async () => {
    const program = join(root, "idle-opencode")
    await writeFile(program, idleServer, { mode: 0o755 })
    return program
  })

/** It takes its password from standard input, as OpenCode does with the host's script. */
const idleServer = `#!${process.execPath}
const { readFileSync } = require("node:fs")
const { OPENCODE_SERVER_PASSWORD: password } = JSON.parse(readFileSync(0, "utf8"))
const authorization = "Basic " + Buffer.from("opencode:" + password).toString("base64")
const answers = { "/global/health": { healthy: true, version: "1.18.20" }, "/session/status": {}, "/global/dispose": true }
require("node:http").createServer((request, response) => {
  if (request.headers.authorization !== authorization) return response.writeHead(401).end()
  const answer = answers[request.url.split("?")[0]]
  if (answer !== undefined) response.setHeader("content-type", "application/json").end(JSON.stringify(answer))
}).listen(process.argv[process.argv.indexOf("--port") + 1], "127.0.0.1", function () {
  console.log("opencode-host: secrets handed over")
  console.log("opencode server listening on http://127.0.0.1:" + this.address().port)
})
`

/** What makes tests cheaper: `vitest.config.ts`. */
const passed = ["OPENCODE_BIN", "NODE_COMPILE_CACHE"]

/** The command then uses its own compile cache in place of that of the tests. */
export const ownCompileCache = { NODE_COMPILE_CACHE: "" }

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
  // The tests read the lines that people see.
  OPENCODE_WORKER_LOG_FORMAT: "pretty",
  ...Object.fromEntries(passed.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))),
  ...extra
})

export interface Options {
  readonly root: string
  /** The content of standard input. Default: no standard input. */
  readonly stdin?: string
  /** A file for the output, in place of a pipe to the test. */
  readonly stdout?: number
  readonly environment?: Readonly<Record<string, string>>
}

/** A process in the home. When the scope closes, it is killed with all processes that carry the home's path. */
const launch = (program: string, args: ReadonlyArray<string>, options: Options, stdio: StdioOptions) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      startProcess({
        program,
        args,
        cwd: projectIn(options.root),
        environment: environment(options.root, options.environment ?? {}),
        stdio
      })
    ),
    (running) =>
      Effect.promise(async () => {
        await running.end("SIGKILL")
        for (const pid of await processesBelow(options.root)) signal(pid, "SIGKILL")
      })
  )

/** Starts the command. A failed test leaves no process running. */
export const start = (options: Options, ...args: ReadonlyArray<string>) =>
  launch(process.execPath, [workerProgram, ...args], options, [
    options.stdin === undefined ? "ignore" : "pipe",
    options.stdout ?? "pipe",
    "pipe"
  ]).pipe(Effect.tap(({ child }) => Effect.sync(() => child.stdin?.end(options.stdin))))

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** Starts the command at its own terminal, and prints the terminal's settings at the end. */
export const atTerminal = ({ environment: extra, ...options }: Options, ...args: ReadonlyArray<string>) => {
  const settings = `stty cols ${size.columns} rows ${size.rows}`
  const line = `${settings}; ${[process.execPath, workerProgram, ...args].map(quoted).join(" ")}; echo "exit code $?"; stty -a`
  // Part of util-linux.
  return launch(
    "script",
    ["--quiet", "--flush", "--command", line, "/dev/null"],
    { ...options, environment: { TERM: "xterm", ...extra } },
    "pipe"
  ).pipe(Effect.map((running) => ({ ...running, type: (text: string) => running.child.stdin?.write(text) })))
}

/** Runs the command to its end. */
export const run = (options: Options, ...args: ReadonlyArray<string>) =>
  Effect.flatMap(start(options, ...args), ({ ended }) => Effect.promise(() => ended))

/** Runs commands to their end: the first of each name in a process of its own, the others in one process, which is a tenth of the CPU time. */
export const runner = () => {
  const started = new Set<string>()
  return Effect.fnUntraced(function* (
    options: Pick<Options, "environment" | "root" | "stdin">,
    ...args: ReadonlyArray<string>
  ) {
    const [name = ""] = args
    if (!started.has(name)) {
      started.add(name)
      return yield* run(options, ...args)
    }
    const request = {
      args,
      cwd: projectIn(options.root),
      environment: environment(options.root, options.environment ?? {}),
      stdin: options.stdin ?? ""
    }
    return yield* Effect.promise(() => runShared(request))
  })
}

/** Runs a line of a shell, in the home and the directory of the command. */
export const shell = (options: Options, line: string) =>
  Effect.flatMap(launch("sh", ["-c", line], options, ["ignore", "pipe", "pipe"]), ({ ended }) =>
    Effect.promise(() => ended)
  )

/** Processes with this home in their environment, except the command itself: the server and its tools. */
export const processesBelow = async (root: string): Promise<ReadonlyArray<number>> =>
  (await processesOf(root)).filter(({ command }) => !command.includes(workerProgram)).map(({ pid }) => pid)

/** Waits until all processes of this home have ended. */
export const untilEnded = (root: string) =>
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
