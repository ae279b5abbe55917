/** The worker of `opencode-worker start` as a service. It prints nothing. */
import { hostname } from "node:os"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { WorkerEvent, type WorkerState } from "@opencode-worker/worker-fsm"
import { Context, Data, Effect, Layer, Option, Stream } from "effect"
import { UserDirectories } from "effect/persistence"
import { type AppError, toAppError } from "../AppError.ts"
import { resolveDirectory } from "../commands/shared/directory.ts"
import { shellEnvironment } from "../commands/shared/environment.ts"
import { packageVersion } from "../info/version.ts"
import { hostable } from "../commands/shared/hostable.ts"
import { resolveUrl } from "../commands/shared/url.ts"
import { openCodeLayer } from "../layers.ts"
import { unlessHopeless, whenRunning } from "../opencode/startup.ts"
import { dataFolder, dataFolders } from "../state/DataFolder.ts"
import { processIdIn } from "../state/ProcessId.ts"
import { makeWorker } from "../Worker.ts"
import type { WorkerEnd, WorkerSettings, WorkerStatus } from "./WorkerSettings.ts"

/** A worker that cannot run. The message names the cause and the remedy. */
export class WorkerError extends Data.TaggedError("WorkerError")<{
  readonly message: string
  /** The exit code of `opencode-worker start`: 75 for a temporary cause, 77 not authorised, 78 configuration, 79 fenced. */
  readonly exitCode: number
}> {}

export interface WorkerOptions extends WorkerSettings {
  /** Receives the code that an operator must approve at the first start, once OpenCode runs, and another code after 10 minutes. */
  readonly onPairingCode: (code: string) => Effect.Effect<unknown>
}

interface WorkerService {
  /** The current status, then every following one. */
  readonly changes: Stream.Stream<WorkerStatus>
  /** Waits until the worker runs turns. Fails if it stops first. */
  readonly ready: Effect.Effect<void, WorkerError>
  /** Waits until the worker has stopped. Fails if OpenCode can never start. */
  readonly stopped: Effect.Effect<WorkerEnd, WorkerError>
  /** Ends the running turns as `interrupted` and releases the lease. */
  readonly stop: Effect.Effect<void>
  /** Its id in the deployment, once it is approved. */
  readonly workerId: Effect.Effect<Option.Option<string>>
}

const toWorkerError = ({ exitCode, message }: AppError) => new WorkerError({ exitCode, message })

const toStatus = (state: WorkerState): WorkerStatus => ({
  phase: state._tag,
  detail: "detail" in state ? state.detail : undefined
})

const resolve = Effect.fnUntraced(function* (options: WorkerOptions) {
  const url = yield* resolveUrl(options.url)
  const directory = yield* resolveDirectory(Option.some(options.directory))
  const folder = yield* dataFolder({ data: Option.fromUndefinedOr(options.data), demo: false, directory })
  const deniedPaths = yield* dataFolders(folder)
  yield* hostable({ directory, dataFolders: deniedPaths, allowed: false })
  return { url, directory, folder, deniedPaths, environment: options.environment ?? (yield* shellEnvironment) }
})
type Resolved = Effect.Success<ReturnType<typeof resolve>>

const make = Effect.fnUntraced(function* (
  options: WorkerOptions,
  { deniedPaths, directory, environment, folder, url }: Resolved
) {
  const host = yield* OpenCodeHost
  const { lifecycle, workerId } = yield* makeWorker({
    machine: options.machine ?? hostname(),
    directory,
    credentials: folder.worker(directory, url),
    privatePaths: deniedPaths,
    processId: yield* processIdIn(directory),
    owner: options.owner,
    requestTimeLimit: options.askTimeout ?? "24 hours",
    allowShell: options.allowShell,
    budget: options.budget,
    about: { version: packageVersion, permissions: options.permissions ?? "careful", environment },
    beforePairing: whenRunning,
    onPairingCode: options.onPairingCode
  })
  const stop = Effect.orDie(lifecycle.send(WorkerEvent.cases.Stop.make({}))).pipe(Effect.andThen(lifecycle.stopped))
  yield* Effect.addFinalizer(() => stop)
  yield* Effect.orDie(lifecycle.send(WorkerEvent.cases.Start.make({})))
  const neverStarts = unlessHopeless(Effect.void).pipe(
    Effect.provideService(OpenCodeHost, host),
    Effect.mapError((error) => toWorkerError(toAppError(error)))
  )
  return Worker.of({
    changes: Stream.map(lifecycle.changes, toStatus),
    ready: Effect.raceFirst(Effect.orDie(lifecycle.awaitState("Ready", "Stopped")), neverStarts).pipe(
      Effect.flatMap((state) =>
        state._tag === "Stopped"
          ? Effect.fail(new WorkerError({ message: `The worker stopped: ${state.detail}`, exitCode: state.exitCode }))
          : Effect.void
      )
    ),
    stopped: Effect.raceFirst(lifecycle.stopped, neverStarts).pipe(
      Effect.map(({ detail, exitCode }) => ({ detail, exitCode }))
    ),
    stop: Effect.asVoid(stop),
    workerId
  })
})

/**
 * The worker of one directory: it hosts OpenCode there and runs the turns of a Convex deployment.
 *
 * @example
 * ```ts
 * const program = Effect.gen(function* () {
 *   const worker = yield* Worker
 *   yield* worker.ready
 * })
 * Effect.provide(program, Worker.layer({ url, directory, onPairingCode: Console.log }))
 * ```
 */
export class Worker extends Context.Service<Worker, WorkerService>()("opencode-worker/Worker") {
  /** Starts a worker. It stops when the scope closes. Of a project's own OpenCode configuration only harmless parts apply. */
  static readonly layer = (options: WorkerOptions): Layer.Layer<Worker, WorkerError> =>
    Layer.unwrap(
      Effect.map(resolve(options), (resolved) => {
        const { deniedPaths, directory, environment, url } = resolved
        const isCareful = options.permissions !== "inherit"
        const host = openCodeLayer({
          directory,
          environment,
          deniedPaths,
          binary: options.binary,
          start: "eager",
          idleTimeout: options.idleTimeout,
          alwaysAsk: isCareful,
          projectConfig: isCareful ? "harmless" : "all"
        })
        return Layer.provide(
          Layer.effect(Worker, make(options, resolved)),
          Layer.merge(ConvexClient.layer({ url }), host)
        )
      })
    ).pipe(
      Layer.provide(Layer.merge(NodeServices.layer, UserDirectories.layer)),
      Layer.catch((error) => Layer.effect(Worker, Effect.fail(toWorkerError(toAppError(error)))))
    )
}
