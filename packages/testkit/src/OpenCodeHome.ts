/**
 * A separate home for an OpenCode server. It neither reads nor changes files of the user.
 *
 * ```
 * root/home                   HOME
 * root/config/opencode/…      XDG_CONFIG_HOME: opencode.json, a file, since both of OpenCode's engines read files, and a
 *                             package-lock.json that names the package for plugins as installed
 * root/cache/opencode/…       XDG_CACHE_HOME: models.json, an empty catalogue in place of OpenCode's own
 * root/data, state            the other XDG folders
 * root/project                the directory to work in: a git repository with one commit
 * ```
 */
import { execFile } from "node:child_process"
import { access, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Config, Context, Effect, Layer, Option, Schedule, type Scope } from "effect"
import { GitFailed, HomeNotWritable, TestkitError } from "./TestkitError.ts"

export interface Options {
  /** The directory that OpenCode works in. Default: `project` inside the home. Never removed if given. */
  readonly directory?: string
  /** Whether the directory becomes a git repository with one commit. Default: true. */
  readonly git?: boolean
  /** Files of the directory, by path relative to it. A file that exists is left as it is. */
  readonly files?: Readonly<Record<string, string>>
  /** Becomes `opencode.json`, for example `provider.config`. Overwritten each time. */
  readonly config?: object
  /** Whether OpenCode knows the models of its own catalogue, which costs 2 to 3 CPU seconds per start. Default: false. */
  readonly catalogue?: boolean
  /**
   * Whether OpenCode installs the package that plugins import, `@opencode-ai/plugin`: it needs the network, and costs 0.4 CPU
   * seconds per start also without. Default: false.
   */
  readonly pluginPackage?: boolean
}

/**
 * **When to use**
 *
 * Use to run the real `opencode` in a test: spawn it in `directory` with `environment` as its whole environment.
 */
export class OpenCodeHome extends Context.Service<
  OpenCodeHome,
  {
    /** Everything below it belongs to this home. */
    readonly root: string
    /** Where OpenCode works (absolute, no symbolic links). */
    readonly directory: string
    /** The written `opencode.json`. */
    readonly configFile: string
    /** The whole environment for `opencode`: HOME, XDG_*, PATH, and switches that keep it off the network. */
    readonly environment: Readonly<Record<string, string>>
  }
>()("@opencode-worker/testkit/OpenCodeHome") {
  /** A home in a new temporary folder, removed when the scope closes. */
  static readonly make = (options: Options = {}): Effect.Effect<OpenCodeHome["Service"], TestkitError, Scope.Scope> =>
    Effect.flatMap(temporary, (root) => at(root, options))

  /** A persistent home in the given folder. A second call changes `opencode.json` only. */
  static readonly at = (root: string, options: Options = {}): Effect.Effect<OpenCodeHome["Service"], TestkitError> =>
    at(root, options)

  static readonly layer = (options: Options = {}): Layer.Layer<OpenCodeHome, TestkitError> =>
    Layer.effect(OpenCodeHome, OpenCodeHome.make(options))
}

const writing = <A>(path: string, write: () => Promise<A>): Effect.Effect<A, TestkitError> =>
  Effect.tryPromise({
    try: write,
    catch: (cause) => new TestkitError({ reason: new HomeNotWritable({ path, cause }) })
  })

const exists = (path: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    access(path).then(
      () => true,
      () => false
    )
  )

const at = Effect.fn("OpenCodeHome.at")(function* (folder: string, options: Options) {
  yield* writing(folder, () => mkdir(folder, { recursive: true }))
  const root = yield* writing(folder, () => realpath(folder))
  const wanted = options.directory ?? join(root, "project")
  const configFile = join(root, "config", "opencode", "opencode.json")
  const catalogue = join(root, "cache", "opencode", "models.json")
  for (const path of [dirname(configFile), dirname(catalogue), join(root, "home"), wanted]) {
    yield* writing(path, () => mkdir(path, { recursive: true }))
  }
  const directory = yield* writing(wanted, () => realpath(wanted))
  const config = `${JSON.stringify({ $schema: "https://opencode.ai/config.json", ...options.config }, null, 2)}\n`
  yield* writing(configFile, () => writeFile(configFile, config, { mode: 0o600 }))
  if (options.catalogue !== true) yield* writing(catalogue, () => writeFile(catalogue, "{}"))
  if (options.pluginPackage !== true) yield* writing(configFile, () => pretendInstalled(dirname(configFile)))
  for (const [name, content] of Object.entries(options.files ?? {})) {
    const path = join(directory, name)
    if (yield* exists(path)) continue
    yield* writing(path, async () => {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, content)
    })
  }
  const environment = yield* environmentOf(root)
  if (options.git !== false) yield* repository(root, directory, environment)
  return OpenCodeHome.of({ root, directory, configFile, environment })
})

/** OpenCode installs the package for plugins into a configuration folder whose lock file does not name it. */
const pretendInstalled = async (folder: string) => {
  const lock = { packages: { "": { dependencies: { "@opencode-ai/plugin": "*" } } } }
  await mkdir(join(folder, "node_modules"), { recursive: true })
  await writeFile(join(folder, "package-lock.json"), JSON.stringify(lock))
}

/** `0` switches off the garbage collector of OpenCode's runtime: a quarter of the CPU time of a start. */
const collectorVariable = "BUN_JSC_useGC"

const environmentOf = Effect.fnUntraced(function* (root: string) {
  const path = yield* Effect.orDie(Config.String("PATH").pipe(Config.withDefault("/usr/bin:/bin")))
  const collects = yield* Effect.orDie(Config.option(Config.String(collectorVariable)))
  return {
    PATH: path,
    ...(Option.isSome(collects) && { [collectorVariable]: collects.value }),
    HOME: join(root, "home"),
    XDG_CONFIG_HOME: join(root, "config"),
    XDG_DATA_HOME: join(root, "data"),
    XDG_STATE_HOME: join(root, "state"),
    XDG_CACHE_HOME: join(root, "cache"),
    GIT_CONFIG_NOSYSTEM: "1",
    OPENCODE_DISABLE_AUTOUPDATE: "1",
    OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
    OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
    OPENCODE_DISABLE_MODELS_FETCH: "1",
    npm_config_offline: "true"
  }
})

/**
 * OpenCode identifies a project by its first commit. The commit message contains the root, so two homes are two projects,
 * and a home that is created again is the same project.
 */
const repository = Effect.fnUntraced(function* (
  root: string,
  directory: string,
  environment: Readonly<Record<string, string>>
) {
  if (yield* exists(join(directory, ".git"))) return
  const git = (...args: ReadonlyArray<string>) =>
    Effect.callback<void, TestkitError>((resume) => {
      const env = {
        ...environment,
        GIT_AUTHOR_DATE: "2026-01-01T00:00:00Z",
        GIT_COMMITTER_DATE: "2026-01-01T00:00:00Z"
      }
      execFile("git", args, { cwd: directory, env }, (cause) =>
        resume(
          cause === null
            ? Effect.void
            : Effect.fail(
                new TestkitError({
                  reason: new GitFailed({ command: `git ${args.join(" ")}`, path: directory, cause })
                })
              )
        )
      )
    })
  yield* git("init", "--quiet", "--initial-branch=main")
  yield* git("config", "user.name", "OpenCode home")
  yield* git("config", "user.email", "home@localhost")
  yield* git("add", "--all")
  yield* git("commit", "--quiet", "--allow-empty", "--message", `Start in ${root}`)
})

/** Removal is retried for this long: a server that is shutting down may still write. */
const removal = Schedule.spaced("100 millis").pipe(Schedule.upTo({ times: 50 }))

/** A process that still writes has written again by then. */
const lull = "50 millis"

const temporary = Effect.acquireRelease(
  writing(tmpdir(), () => mkdtemp(join(tmpdir(), "opencode-home-"))),
  (root) =>
    writing(root, () => rm(root, { recursive: true, force: true })).pipe(
      Effect.andThen(Effect.delay(exists(root), lull)),
      Effect.filterOrFail(
        (left) => !left,
        () => new TestkitError({ reason: new HomeNotWritable({ path: root, cause: "it came back" }) })
      ),
      Effect.retry(removal),
      Effect.catch((error) => Effect.logWarning(error.message))
    )
)
