/** `opencode-worker service`: runs `start` as a service of the user's systemd or launchd. */
import { spawn } from "node:child_process"
import { realpathSync } from "node:fs"
import { dirname } from "node:path"
import { Effect, FileSystem, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { AppError, configError, exitCodes, temporaryError, toAppError } from "../AppError.ts"
import { load } from "../config/load.ts"
import { serviceManager } from "../service/manager.ts"
import { print, printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { descriptions } from "./descriptions.ts"

const name = Flag.String("name").pipe(
  Flag.withDescription("Name of the service"),
  Flag.withDefault("opencode-worker"),
  Flag.filterMap(
    (given) => (/^[a-zA-Z0-9][\w-]{0,63}$/.test(given) ? Option.some(given) : Option.none()),
    () => "A name has letters, digits, - and _."
  )
)

const managerOf = Effect.fnUntraced(function* (service: string) {
  const manager = serviceManager(service)
  if (manager !== undefined) return manager
  return yield* configError(
    "Services are installed for systemd and launchd. Run opencode-worker start with another manager."
  )
})

/** Runs a program of the service manager at this terminal. Returns its exit code, or null if it cannot run. */
const run = ([program, ...args]: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.callback<number | null>((resume) => {
    const child = spawn(program, args, { stdio: "inherit" })
    child.once("error", () => resume(Effect.succeed(null)))
    child.once("exit", (code) => resume(Effect.succeed(code ?? exitCodes.Temporary)))
    return Effect.sync(() => child.kill())
  })

const runAll = (commands: ReadonlyArray<readonly [string, ...ReadonlyArray<string>]>) =>
  Effect.forEach(
    commands,
    (words) =>
      Effect.flatMap(run(words), (code) =>
        code === 0 ? Effect.void : temporaryError(`This command failed: ${words.join(" ")}`)
      ),
    { discard: true }
  )

const install = Command.make(
  "install",
  {
    name,
    config: Flag.String("config").pipe(
      Flag.withMetavar("path"),
      Flag.withDescription(
        "The configuration file (default: opencode-worker/config.jsonc in your configuration directory)"
      ),
      Flag.optional
    ),
    start: Flag.Boolean("start").pipe(
      Flag.withDescription("Start it now and at each login (default); --no-start only writes its file"),
      Flag.withDefault(true)
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Print the file of the service only"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* (given) {
    const manager = yield* managerOf(given.name)
    const { file: config } = yield* load({ config: given.config, flags: {} })
    if (config === undefined) {
      return yield* configError("A service needs a configuration file: write one, and name it with --config.")
    }
    const program = realpathSync(process.argv[1] ?? "")
    if (/[/\\]_npx[/\\]/.test(program)) {
      return yield* configError(
        "npx removes its copy of opencode-worker some day: install it with npm install -g opencode-worker, and use that command."
      )
    }
    const content = manager.content({ node: process.execPath, program, config, path: process.env["PATH"] ?? "" })
    if (given.dryRun) return yield* print(screen`${content}`)
    const fs = yield* FileSystem.FileSystem
    yield* fs.makeDirectory(dirname(manager.file), { recursive: true })
    yield* fs.writeFileString(manager.file, content)
    yield* printLine(screen`Written  ${ScreenText.line(manager.file)}`)
    if (given.start) yield* runAll(manager.start)
    yield* printLine(screen`${manager.hint}`)
  }, Effect.mapError(toAppError))
).pipe(Command.withDescription("Install start as a service; it restarts unless its exit code is 2, 77 or 78"))

const uninstall = Command.make(
  "uninstall",
  { name },
  Effect.fn(function* (given) {
    const manager = yield* managerOf(given.name)
    const fs = yield* FileSystem.FileSystem
    if (!(yield* fs.exists(manager.file))) {
      return yield* configError(`There is no service ${given.name}: ${manager.file} does not exist.`)
    }
    yield* runAll(manager.stop)
    yield* fs.remove(manager.file)
    yield* runAll(manager.forget)
    yield* printLine(screen`Removed  ${ScreenText.line(manager.file)}`)
  }, Effect.mapError(toAppError))
).pipe(Command.withDescription("Stop the service, which waits for its running turns, and remove it"))

/** Shows the output of the service manager and ends with its exit code. */
const shown = Effect.fnUntraced(function* (words: readonly [string, ...ReadonlyArray<string>]) {
  const code = yield* run(words)
  if (code === 0) return
  return yield* code === null
    ? configError(`${words[0]} is not installed.`)
    : new AppError({ text: `${words[0]} ended with the code ${code}.`, exitCode: code })
})

const status = Command.make("status", { name }, (given) =>
  Effect.flatMap(managerOf(given.name), (manager) => shown(manager.status))
).pipe(Command.withDescription("Show the state of the service; opencode-worker status shows its workers"))

const logs = Command.make(
  "logs",
  {
    name,
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Wait for further entries"),
      Flag.withDefault(false)
    )
  },
  (given) => Effect.flatMap(managerOf(given.name), (manager) => shown(manager.logs(given.follow)))
).pipe(Command.withDescription("Show the log of the service"))

export const service = Command.make("service").pipe(
  Command.withDescription(descriptions.service),
  Command.withSubcommands([install, status, logs, uninstall])
)
