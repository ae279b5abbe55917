/**
 * A Convex deployment in this process, stored in a SQLite file, for the real Convex clients.
 *
 * ```
 *               this thread              │             threads of the functions
 *
 *   ConvexClient ──WebSocket──▶ Session ─┐│
 *   ConvexHttpClient ──HTTP───▶ server ──┼┼─▶ Executor ─┬─▶ Engine ─▶ Transaction ─▶ Store (SQLite)
 *                  Scheduler, CronTimer ─┘│     ▲       │      └──▶ queries and mutations ──▲ syscalls
 *                                         │     │       └─▶ actions and HTTP actions ─┐
 *   Subscriptions ◀── commits: outdated ──┘     └── their queries and mutations ──────┘
 * ```
 *
 * A thread that a function holds is ended and replaced; nothing of this thread is in it.
 *
 * @since 0.1.0
 */
import { lstatSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import { ConvexEmbeddedError } from "./ConvexEmbeddedError.ts"
import { isHostEntry, isOriginEntry } from "./internal/access.ts"
import { type AuthProvider, makeVerifier } from "./internal/auth.ts"
import { CronTimer } from "./internal/cron-timer.ts"
import { messageOf } from "./internal/errors.ts"
import { Executor } from "./internal/executor.ts"
import { FileUrls } from "./internal/files.ts"
import { acquireLock } from "./internal/lock.ts"
import { findModules } from "./internal/modules.ts"
import { limits } from "./internal/limits.ts"
import { Scheduler } from "./internal/scheduler.ts"
import { serve } from "./internal/server.ts"
import type { Durability } from "./internal/store.ts"
import { sweep } from "./internal/sweep.ts"
import { systemFailure } from "./internal/system-failure.ts"
import { makePrivateFolder } from "./PrivateFiles.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** An ordinary `convex/` folder. TypeScript in it needs the optional peer `esbuild`; JavaScript does not. */
  readonly functions: string
  /**
   * Where the data are kept; created when missing. One process at a time can use it. Only its owner can read it: a folder
   * that was open to others is tightened, and one that another user placed is refused.
   */
  readonly dataDir: string
  /** The TCP port; 0, the default, takes a free one. */
  readonly port?: number
  /** The address to listen on. Default `127.0.0.1`: only programs of this machine can connect. */
  readonly host?: string
  /**
   * Names in URLs by which the deployment may be reached, beside the addresses that it listens on: such as
   * `dev.example.com` behind a proxy. `*` takes any, which lets a page reach it by DNS rebinding.
   */
  readonly allowedHosts?: ReadonlyArray<string>
  /**
   * Origins of pages in a browser that may use the deployment, beside those at its own address: `https://app.example.com`,
   * `loopback` for any page of this machine, `null` for pages without an origin, or `*` for any page. Programs send no
   * origin, and are not refused by it. Default: none.
   */
  readonly allowedOrigins?: ReadonlyArray<string>
  /**
   * Bytes that all connections together may use for what they sent, wait for and do not read. When they are used up,
   * clients without a token are dropped first. Default 256 MiB.
   */
  readonly connectionMemory?: number
  readonly auth?: {
    /** Whose tokens to trust, in place of the folder's `auth.config.ts`. */
    readonly providers?: ReadonlyArray<AuthProvider>
    /**
     * Whether the keys of issuers may be fetched from other machines, over `https:`: by OpenID Connect discovery for
     * providers with a `domain`, and from the `jwks` of others. Default false: nothing is asked over the network.
     */
    readonly discovery?: boolean
  }
  /**
   * What an acknowledged mutation survives. `full`, the default: a crash of the process, of the machine, and a power
   * loss. `normal`: a crash of the process; a power loss may take the last commits. It is faster on slow disks.
   */
  readonly durability?: Durability
  /** Milliseconds that the own code of a query or mutation may take; default 1000, as in Convex. */
  readonly userTimeLimit?: number
  /** Whoever has it can export and import tables over HTTP; without one nobody can. At least 16 characters. */
  readonly adminKey?: string
  /** Receives sentences that a person should read, such as that the data folder was tightened. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void
}

/**
 * A running deployment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deployment extends AsyncDisposable {
  /** The address for `new ConvexClient(url)`. */
  readonly url: string
  /**
   * Loads the functions folder anew, keeping the data and the connections; subscriptions run again. Needs `esbuild`.
   * Rejects with a `ConvexEmbeddedError` when that fails; the functions are then those from before.
   */
  readonly reload: () => Promise<void>
  /**
   * Writes a copy of all data to a new file, which can be the `data.sqlite` of another data folder. Functions wait
   * meanwhile: about a second for 200 MB. Rejects with `InvalidOptions` when the file exists or cannot be written.
   */
  readonly backup: (file: string) => Promise<void>
  /** Ends it: what runs comes to its end, connections are cut, the data folder is free again. */
  readonly close: () => Promise<void>
}

/**
 * Starts a deployment and serves until it is closed.
 *
 * Rejects with a `ConvexEmbeddedError`, whose `code` and `message` say what to do; nothing is left running then.
 *
 * @example
 * ```ts
 * await using deployment = await ConvexEmbedded.make({ functions: "./convex", dataDir: "./data" })
 * const client = new ConvexClient(deployment.url)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = async (options: Options): Promise<Deployment> => {
  checkOptions(options)
  const cleanup = new Cleanup()
  try {
    const parts = await start(options, cleanup)
    return { ...parts, close: cleanup.run, [Symbol.asyncDispose]: cleanup.run }
  } catch (cause) {
    await cleanup.run()
    throw cause
  }
}

/** Entries by which a folder is recognised as a data folder. */
const DATA_FILES = /^(data\.sqlite(-wal|-shm|-journal)?|lock\.json|cache)$/

const start = async (options: Options, cleanup: Cleanup): Promise<Pick<Deployment, "url" | "reload" | "backup">> => {
  const dataDir = resolve(options.dataDir)
  const notice = makePrivateFolder(dataDir, (name) => DATA_FILES.test(name))
  if (notice !== null) (options.onWarning ?? ((message) => process.emitWarning(message)))(notice)
  const lock = usingFolder(dataDir, () => acquireLock(dataDir))
  cleanup.defer(() => lock.release())

  const cacheDir = join(dataDir, "cache")
  const removeCache = () => rmSync(cacheDir, { force: true, recursive: true })
  removeCache()
  makePrivateFolder(cacheDir, () => true)
  cleanup.defer(removeCache)
  let loads = 0
  const modules = () =>
    findModules({
      cacheDir: join(cacheDir, `${process.pid}-${Date.now()}-${loads}`),
      folder: resolve(options.functions),
      isReload: loads++ > 0
    })

  const secret = FileUrls.secret()
  const executor = await Executor.start({
    durability: options.durability ?? "full",
    file: join(dataDir, "data.sqlite"),
    modules: await modules(),
    origin: "",
    secret,
    userTimeLimit: options.userTimeLimit ?? 1000
  })
  cleanup.defer(() => executor.close())
  const verifier = () =>
    makeVerifier(options.auth?.providers ?? executor.info.authProviders, options.auth?.discovery ?? false)
  let verifyToken = verifier()
  const scheduler = new Scheduler(executor)
  cleanup.defer(() => scheduler.close())
  const crons = new CronTimer(executor)
  cleanup.defer(() => crons.close())
  await executor.perform("recoverJobs")

  const { allowedHosts = [], allowedOrigins = [], connectionMemory = limits.connectionMemory } = options
  const { host = "127.0.0.1", port = 0 } = options
  // No function runs before it can know the URL.
  const server = await executor.serving(() =>
    serve({
      adminKey: options.adminKey ?? null,
      allowedHosts,
      allowedOrigins,
      cacheDir,
      connectionMemory,
      executor,
      fileUrls: new FileUrls(secret, ""),
      host,
      port,
      verifyToken: (token) => verifyToken(token)
    })
  )
  cleanup.defer(() => server.close())
  executor.onJobs = () => scheduler.wake()
  scheduler.wake()
  await crons.sync()
  cleanup.defer(sweep(executor, "forgetJobs"))
  cleanup.defer(sweep(executor, "forgetAnswers"))
  lock.announce(server.url)

  const reloadOnce = async () => {
    await executor.reload(await modules())
    verifyToken = verifier()
    await crons.sync()
  }
  let reloading: Promise<void> = Promise.resolve()
  const reload = () => (reloading = reloading.catch(() => undefined).then(reloadOnce))
  const backup = async (file: string) => {
    // Also a link that leads nowhere.
    if (lstatSync(file, { throwIfNoEntry: false }) !== undefined)
      throw new ConvexEmbeddedError("InvalidOptions", `The file ${file} exists: choose another one for the backup.`)
    await executor.perform("backup", resolve(file)).catch((cause: unknown) => {
      const message = `The backup cannot be written. ${messageOf(cause)}`
      throw new ConvexEmbeddedError("InvalidOptions", message, { cause })
    })
  }
  return { backup, reload, url: server.url }
}

/** Undoes in reverse order what was started, once. */
class Cleanup {
  readonly #steps: Array<() => void | Promise<void>> = []
  #running: Promise<void> | null = null

  defer(step: () => void | Promise<void>): void {
    this.#steps.push(step)
  }

  readonly run = (): Promise<void> => (this.#running ??= this.#runAll())

  async #runAll(): Promise<void> {
    for (const step of this.#steps.toReversed()) await step()
  }
}

/** Less would not take one call with the largest arguments. */
const LEAST_MEMORY = 64 * 1024 * 1024

const invalidEntry = (option: keyof Options, should: string, given: string) =>
  new ConvexEmbeddedError("InvalidOptions", `An entry of the option ${option} must be ${should}, not ${given}.`)

const checkOptions = (options: Options): void => {
  const invalid = (option: keyof Options, should: string) => {
    const given = options[option] as string | number | undefined
    return new ConvexEmbeddedError("InvalidOptions", `The option ${option} must be ${should}, not ${given}.`)
  }
  const { allowedHosts = [], allowedOrigins = [], connectionMemory = limits.connectionMemory } = options
  const { adminKey, durability = "full", host = "127.0.0.1", port = 0, userTimeLimit = 1000 } = options
  for (const option of ["functions", "dataDir"] as const) {
    if (typeof options[option] !== "string" || options[option] === "") throw invalid(option, "the path of a folder")
  }
  if (typeof host !== "string" || host === "") throw invalid("host", "an address such as 127.0.0.1")
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid("port", "a whole number from 0 to 65535")
  if (adminKey !== undefined && (typeof adminKey !== "string" || adminKey.length < 16)) {
    // What was given may be a secret all the same.
    throw new ConvexEmbeddedError("InvalidOptions", "The option adminKey must be a text of at least 16 characters.")
  }
  for (const origin of allowedOrigins) {
    if (!isOriginEntry(origin))
      throw invalidEntry("allowedOrigins", "an origin such as https://app.example.com", origin)
  }
  for (const name of allowedHosts) {
    if (!isHostEntry(name)) throw invalidEntry("allowedHosts", "a name such as dev.example.com", name)
  }
  if (!(Number.isInteger(connectionMemory) && connectionMemory >= LEAST_MEMORY)) {
    throw invalid("connectionMemory", `a whole number of bytes, at least ${LEAST_MEMORY}`)
  }
  if (!(userTimeLimit > 0)) throw invalid("userTimeLimit", "a number of milliseconds above 0")
  if (durability !== "full" && durability !== "normal") throw invalid("durability", '"full" or "normal"')
}

/** What the system refuses in a folder is a wrong choice of the folder. */
const usingFolder = <A>(dataDir: string, use: () => A): A => {
  try {
    return use()
  } catch (cause) {
    throw systemFailure(`The data folder ${dataDir} cannot be used`, cause)
  }
}
