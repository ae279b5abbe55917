/** The composed worker for `async`/`await`. This entry needs no other package. */
import { Context, Effect, Exit, Layer, Logger, Option, Scope, Stream } from "effect"
import { Worker } from "./library/Worker.ts"
import type { WorkerEnd, WorkerSettings, WorkerStatus } from "./library/WorkerSettings.ts"

export { WorkerError } from "./library/Worker.ts"
export type { WorkerEnd, WorkerSettings, WorkerStatus } from "./library/WorkerSettings.ts"

export interface AsyncWorkerOptions extends WorkerSettings {
  /** Receives the code that an operator must approve at the first start, once OpenCode runs, and another code after 10 minutes. */
  readonly onPairingCode: (code: string) => void
  /** Stops the worker when it aborts. */
  readonly signal?: AbortSignal
}

export interface AsyncWorker extends AsyncDisposable {
  /** The current status, then every following one. */
  readonly changes: AsyncIterable<WorkerStatus>
  /** Resolves when the worker runs turns. Rejects with a `WorkerError` if it stops first. */
  readonly ready: () => Promise<void>
  /** Resolves when the worker has stopped. Rejects with a `WorkerError` if OpenCode can never start. */
  readonly stopped: () => Promise<WorkerEnd>
  /** Ends the running turns as `interrupted` and releases the lease. */
  readonly stop: () => Promise<void>
  /** Its id in the deployment, or undefined until it is approved. */
  readonly workerId: () => Promise<string | undefined>
}

/**
 * Starts a worker. Rejects with a `WorkerError` whose message names the cause and the remedy. Disposal stops the worker.
 *
 * @example
 * ```ts
 * await using worker = await createWorker({ url, directory, onPairingCode: console.log })
 * await worker.ready()
 * ```
 */
export const createWorker = async ({
  onPairingCode,
  signal,
  ...settings
}: AsyncWorkerOptions): Promise<AsyncWorker> => {
  signal?.throwIfAborted()
  const scope = Effect.runSync(Scope.make())
  const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
  const layer = Worker.layer({ ...settings, onPairingCode: (code) => Effect.sync(() => onPairingCode(code)) })
  // Without it, the log entries of the worker would be printed.
  const silent = Effect.provide(Layer.buildWithScope(layer, scope), Logger.layer([]))
  const services = await Effect.runPromise(silent).catch(async (cause: unknown) => {
    await close()
    throw cause
  })
  const worker = Context.get(services, Worker)
  const stop = () => void close()
  signal?.addEventListener("abort", stop, { once: true })
  return {
    changes: Stream.toAsyncIterable(worker.changes),
    ready: () => Effect.runPromise(worker.ready),
    stopped: () => Effect.runPromise(worker.stopped),
    stop: () => Effect.runPromise(worker.stop),
    workerId: async () => Option.getOrUndefined(await Effect.runPromise(worker.workerId)),
    [Symbol.asyncDispose]: async () => {
      signal?.removeEventListener("abort", stop)
      await close()
    }
  }
}
