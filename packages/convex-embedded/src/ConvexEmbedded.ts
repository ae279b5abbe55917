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
 *   Subscriptions ◀── invalidated ────────┘     └── their queries and mutations ──────┘
 * ```
 *
 * If a function hangs, its thread is terminated and replaced. No state of the main thread is affected.
 */
import { randomUUID } from "node:crypto"
import { lstatSync, readdirSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import type { Value } from "convex/values"
import { ConvexEmbeddedError } from "./ConvexEmbeddedError.ts"
import { makeVerifier } from "./internal/access/auth.ts"
import { runFunction } from "./internal/threads/run-function.ts"
import { FileUrls } from "./internal/engine/file-urls.ts"
import { findModules } from "./internal/functions/modules.ts"
import { Assets } from "./internal/http/assets.ts"
import { serve } from "./internal/http/server.ts"
import { CronTimer } from "./internal/scheduling/cron-timer.ts"
import { Scheduler } from "./internal/scheduling/scheduler.ts"
import { sweep } from "./internal/scheduling/sweep.ts"
import { readHolder, removeHolder, writeHolder } from "./internal/storage/holder.ts"
import { Executor } from "./internal/threads/executor.ts"
import { messageOf } from "./internal/values/errors.ts"
import type { VerifyToken } from "./internal/values/identity.ts"
import { limits } from "./internal/values/limits.ts"
import { systemFailure } from "./internal/values/system-failure.ts"
import { checkOptions, type ConvexEmbeddedOptions } from "./Options.ts"
import { makePrivateFolder } from "./PrivateFiles.ts"

/** A running deployment. */
export interface Deployment extends AsyncDisposable {
  /** The address for `new ConvexClient(url)`. */
  readonly url: string
  /** The address of the option `remote`, if it is set: with the port that was chosen. */
  readonly remoteUrl: string | null
  /**
   * Reloads the functions folder and the assets. Data and connections are kept; subscriptions run again. Requires
   * `esbuild`. Rejects with a `ConvexEmbeddedError`; the previous functions are kept then.
   */
  readonly reload: () => Promise<void>
  /**
   * Writes a copy of all data to a new file, which can be used as `data.sqlite` of another data folder. Functions wait
   * meanwhile, about a second for 200 MB. Rejects with `InvalidOptions` if the file exists or cannot be written.
   */
  readonly backup: (file: string) => Promise<void>
  /**
   * Runs any function, internal ones included, without an identity, as `npx convex run` does: for setup by the program that
   * serves the deployment. `path`: `module:name`. Rejects as a call of a client does.
   */
  readonly run: (path: string, args?: Record<string, Value>) => Promise<Value>
  /** Waits for the running function, closes all connections and releases the data folder. Idempotent. */
  readonly close: () => Promise<void>
}

/**
 * Starts a deployment, which serves until it is closed. Rejects with a `ConvexEmbeddedError`; nothing is left running
 * then.
 *
 * @example
 * ```ts
 * await using deployment = await ConvexEmbedded.make({ functions: "./convex", dataDir: "./data" })
 * const client = new ConvexClient(deployment.url)
 * ```
 */
export const make = async (options: ConvexEmbeddedOptions): Promise<Deployment> => {
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

/** A younger cache may belong to a process that is starting: it will fail with `DataInUse` and remove its own. */
const START_MILLIS = 60_000

/** The entries that identify a data folder. */
const DATA_FILES = /^(data\.sqlite(-wal|-shm|-journal|-lock)?|lock\.json|cache)$/

const start = async (
  options: ConvexEmbeddedOptions,
  cleanup: Cleanup
): Promise<Omit<Deployment, "close" | typeof Symbol.asyncDispose>> => {
  const dataDir = resolve(options.dataDir)
  const notice = makePrivateFolder(dataDir, (name) => DATA_FILES.test(name))
  if (notice !== null) (options.onWarning ?? ((message) => process.emitWarning(message)))(notice)

  // Each deployment has its own cache folder: until the data file is open, another one may serve.
  const caches = join(dataDir, "cache")
  const startedAt = Date.now()
  const cacheDir = join(caches, `${startedAt}-${randomUUID()}`)
  makePrivateFolder(cacheDir, () => true)
  cleanup.defer(() => remove(cacheDir))
  let loads = 0
  const modules = () =>
    findModules({
      cacheDir: join(cacheDir, String(loads)),
      folder: resolve(options.functions),
      isReload: loads++ > 0
    })

  let assets = Assets.load(options.assets)
  const secret = FileUrls.secret()
  const executor = await Executor.start({
    durability: options.durability ?? "full",
    file: join(dataDir, "data.sqlite"),
    modules: await modules(),
    secret,
    userTimeLimit: options.userTimeLimit ?? 1000
  }).catch((cause: unknown) => {
    throw cause instanceof ConvexEmbeddedError && cause.code === "DataInUse" ? inUse(dataDir, cause) : cause
  })
  cleanup.defer(() => executor.close())
  options.onLocked?.()
  // The data file is open, so the record and old caches are leftovers of killed processes.
  usingFolder(dataDir, () => removeHolder(dataDir))
  for (const name of readdirSync(caches)) {
    if (!(startedAt - Number.parseInt(name, 10) < START_MILLIS)) remove(join(caches, name))
  }

  const scheduler = new Scheduler(executor)
  cleanup.defer(() => scheduler.close())
  const crons = new CronTimer(executor)
  cleanup.defer(() => crons.close())
  const { allowedHosts = [], allowedOrigins = [], connectionMemory = limits.connectionMemory } = options
  const { host = "127.0.0.1", port = 0 } = options
  // Requests that arrive before the functions are loaded wait.
  const ready = Promise.withResolvers<void>()
  const server = await executor.serving(() =>
    serve({
      adminKey: options.adminKey ?? null,
      assets: () => assets,
      allowedHosts,
      allowedOrigins,
      cacheDir,
      connectionMemory,
      executor,
      fileUrls: new FileUrls(secret, ""),
      host,
      port,
      ready: ready.promise,
      remote: options.remote ?? null,
      verifyToken: (token) => verifyToken(token)
    })
  )
  cleanup.defer(() => server.close())
  const { url } = server
  const verifier = () =>
    makeVerifier(options.auth?.providers ?? executor.info.authProviders, options.auth?.discovery ?? false, url)
  let verifyToken: VerifyToken = verifier()
  ready.resolve()
  executor.onJobs = () => scheduler.wake()
  scheduler.wake()
  await crons.sync()
  cleanup.defer(sweep(executor, "sweepJobs"))
  cleanup.defer(sweep(executor, "sweepAnswers"))
  writeHolder(dataDir, server.url)
  cleanup.defer(() => removeHolder(dataDir))

  const reloadOnce = async () => {
    const reloaded = Assets.load(options.assets)
    await executor.reload(await modules())
    assets = reloaded
    verifyToken = verifier()
    await crons.sync()
  }
  let reloading: Promise<void> = Promise.resolve()
  const reload = () => (reloading = reloading.catch(() => undefined).then(reloadOnce))
  const backup = async (file: string) => {
    // `lstat` finds dangling links, too.
    if (lstatSync(file, { throwIfNoEntry: false }) !== undefined)
      throw new ConvexEmbeddedError("InvalidOptions", `The file ${file} exists. Choose another one for the backup.`)
    await executor.call("backup", resolve(file)).catch((cause: unknown) => {
      const message = `The backup cannot be written. ${messageOf(cause)}`
      throw new ConvexEmbeddedError("InvalidOptions", message, { cause })
    })
  }
  const run = (path: string, args: Record<string, Value> = {}) => runFunction(executor, path, args)
  return { backup, reload, remoteUrl: server.remoteUrl, run, url }
}

/** Runs the deferred steps in reverse order, once. */
class Cleanup {
  readonly #steps: Array<() => void | Promise<void>> = []
  #running: Promise<void> | null = null

  defer(step: () => void | Promise<void>): void {
    this.#steps.push(step)
  }

  readonly run = (): Promise<void> => (this.#running ??= this.#runAll())

  /** A step that fails, as on a disk that became read-only, keeps no other one from running. Rejects with the first failure. */
  async #runAll(): Promise<void> {
    const failures: Array<unknown> = []
    for (const step of this.#steps.toReversed()) {
      try {
        await step()
      } catch (cause) {
        failures.push(cause)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

const remove = (path: string): void => rmSync(path, { force: true, recursive: true })

const inUse = (dataDir: string, cause: ConvexEmbeddedError): ConvexEmbeddedError => {
  const holder = readHolder(dataDir)
  const by = holder === null ? "another process, which is starting" : `process ${holder.pid} at ${holder.url}`
  const message = `The data folder ${dataDir} is in use by ${by}. Connect to it, end it, or choose another folder.`
  return new ConvexEmbeddedError("DataInUse", message, { cause, holder })
}

/** Reports system errors as a wrong choice of the folder. */
const usingFolder = <A>(dataDir: string, use: () => A): A => {
  try {
    return use()
  } catch (cause) {
    throw systemFailure(`The data folder ${dataDir} cannot be used`, cause)
  }
}
