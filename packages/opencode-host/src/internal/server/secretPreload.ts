/**
 * Passes a server its password and its configuration, which may contain keys, so that its tools cannot see them.
 *
 * The environment that a process starts with stays readable in `/proc`, and tools inherit it. So it holds a password that
 * opens nothing. A script that OpenCode's runtime (Bun) loads before the program reads what is real from standard input
 * into `process.env`, and once OpenCode listens, which means that it has read it, takes it out of what is inherited: from
 * then on code inside the server (plugins) finds it by its name only.
 *
 * ```
 *  host ── stdin ──▶ preload ──▶ process.env ──▶ OpenCode reads it, listens ──▶ hidden: `preloadReadyMarker` on stdout
 * ```
 */
import { access, constants, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { HostError } from "../../HostError.ts"
import { StartFailed, TemporaryDirectoryUnusable } from "../../HostErrorReason.ts"
import { adopt } from "./adopt.ts"
import type { Guard } from "../process/guard.ts"
import { mark } from "../plugin/mark.ts"
import { pluginSource } from "../plugin/source.ts"
import { barrierScript } from "../projectConfig/barrier.ts"
import { projectPlugin } from "../projectConfig/plugin.ts"
import type { PreparedProject } from "../projectConfig/prepare.ts"

/** The server's output, before its address, once its secrets are hidden. */
export const preloadReadyMarker = "opencode-host: secrets handed over"

const preloadVariable = "BUN_INSPECT_PRELOAD"
/** Where Bun unpacks its libraries: 5.6 MB at the first turn, which it leaves there. */
const temporaryVariable = "BUN_TMPDIR"

/** `first` runs before, so that it sees `node:fs` before any import does. */
const preload = (first: string) => `${first}
const { readFileSync, writeFileSync } = import.meta.require("node:fs")

// A process that inherits the variable that names this file finds it empty.
writeFileSync(import.meta.path, "")
const secrets = JSON.parse(readFileSync(0, "utf8"))
delete process.env.${preloadVariable}
delete process.env.${temporaryVariable}
Object.assign(process.env, secrets)

const { log } = console
console.log = (...line) => {
  if (String(line[0]).includes("listening on")) {
    console.log = log
    for (const [name, value] of Object.entries(secrets)) {
      Object.defineProperty(process.env, name, { value, enumerable: false, configurable: true, writable: true })
    }
    log(${JSON.stringify(preloadReadyMarker)})
  }
  log(...line)
}
`

type Config = Readonly<Record<string, unknown>>

/** A server's secrets, and the environment with which it reads them. */
export interface SecretPreload {
  readonly secrets: Readonly<Record<string, string>>
  /** For the server's environment, however it takes its secrets. */
  readonly environment: Readonly<Record<string, string>>
  /** The variable that makes the server take its secrets from standard input, once. */
  readonly preloadEnv: Effect.Effect<Readonly<Record<string, string>>>
}

const unusableTemporaryDirectory = (cause: unknown) =>
  new HostError({ reason: new TemporaryDirectoryUnusable({ directory: tmpdir(), problem: String(cause) }) })

/** Fails before the first start, since every start would fail. */
export const checkTemporaryDirectory = Effect.tryPromise({
  try: () => access(tmpdir(), constants.W_OK | constants.X_OK),
  catch: unusableTemporaryDirectory
})

/** Keeps its files, which hold no secret, for as long as the scope lives. */
export const makeSecretPreload = Effect.fnUntraced(function* (options: {
  readonly environment: Readonly<Record<string, string>>
  readonly config: Config | undefined
  readonly alwaysAsk: boolean
  readonly deniedPaths: ReadonlyArray<string>
  readonly project: PreparedProject["plugin"]
  readonly password: Redacted.Redacted
  readonly guard: Guard
  readonly hostId: string
  /** The server is to adopt its orphans. */
  readonly adopts: boolean
}) {
  const folder = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => mkdtemp(join(tmpdir(), folderPrefix(options.hostId))),
      catch: unusableTemporaryDirectory
    }),
    (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
  )
  yield* options.guard.remove(folder)
  const write = (name: string, content: string) => {
    const path = join(folder, name)
    return Effect.as(
      Effect.promise(() => writeFile(path, content, { mode: 0o600 })),
      path
    )
  }
  const { project } = options
  const content = Effect.fnUntraced(function* (given = "") {
    const { alwaysAsk: asks, deniedPaths } = options
    const isPlain = !asks && deniedPaths.length === 0
    if (isPlain && project === undefined && Object.keys(options.config ?? {}).length === 0) return given
    const under: Config = given.trim() === "" ? {} : yield* parsed(given)
    const config = merged(under, options.config ?? {})
    const plugins: Array<string> = []
    if (project !== undefined) {
      const own = { ownModel: config["model"] !== undefined, ownAgent: config["default_agent"] !== undefined }
      // Without one of its own, the plugins would be loaded by that of a folder above.
      yield* write("tsconfig.json", "{}")
      plugins.push(yield* write("project-config.js", projectPlugin({ ...project, ...own })))
    }
    // Last, since it makes the project's agents ask too.
    if (!isPlain) plugins.push(yield* write("opencode-host.js", pluginSource({ asks, deniedPaths, mark })))
    if (plugins.length === 0) return JSON.stringify(config)
    return JSON.stringify({
      ...config,
      plugin: [...pluginsOf(config), ...plugins.map((path) => pathToFileURL(path).href)]
    })
  })
  const config = yield* content(options.environment[contentVariable])
  const first = [project === undefined ? "" : barrierScript(project.barrier), options.adopts ? adopt : ""].join("\n")
  return {
    secrets: {
      OPENCODE_SERVER_PASSWORD: Redacted.value(options.password),
      ...(config === "" ? {} : { [contentVariable]: config })
    },
    environment: { [temporaryVariable]: folder },
    preloadEnv: Effect.map(write("hand-over.mjs", preload(first)), (path) => ({ [preloadVariable]: path }))
  } satisfies SecretPreload
})

const folderPrefix = (hostId: string) => `opencode-host-${hostId}-`

/** Removes the private folders of a host that died, with its guard, before it could do it. */
export const removeFolders = (hostId: string) =>
  Effect.promise(async () => {
    const names = await readdir(tmpdir()).catch(() => [])
    const own = names.filter((name) => name.startsWith(folderPrefix(hostId)))
    await Promise.all(own.map((name) => rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {})))
  })

/** Configuration that OpenCode merges over the user's and the project's. */
export const contentVariable = "OPENCODE_CONFIG_CONTENT"

/** OpenCode itself accepts comments. Text with comments is passed on unchanged if nothing is merged into it. */
const parsed = (given: string): Effect.Effect<Config, HostError> =>
  Effect.try({ try: (): unknown => JSON.parse(given), catch: () => undefined }).pipe(
    Effect.filterOrFail((value): value is Config => Predicate.isObject(value)),
    Effect.mapError(() => {
      const problem = `${contentVariable} is not a JSON object, which it has to be where more is merged into it (config, alwaysAsk, deniedPaths): take comments and trailing commas out of it`
      return new HostError({ reason: new StartFailed({ problem, output: [] }) })
    })
  )

const merged = (under: Config, over: Config): Config => ({
  ...under,
  ...Object.fromEntries(
    Object.entries(over).map(([key, value]) => {
      const below = under[key]
      return [key, Predicate.isObject(below) && Predicate.isObject(value) ? merged(below, value) : value]
    })
  )
})

/** OpenCode adds these to the plugins of the user's own configuration. */
const pluginsOf = ({ plugin }: Config): ReadonlyArray<unknown> => (Array.isArray(plugin) ? plugin : [])
