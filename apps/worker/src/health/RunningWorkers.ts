/** The workers of this process, for its health endpoints. Counts come from the metrics, so each has one source. */
import type { HostError, OpenCodeServer } from "@opencode-worker/opencode-host"
import { Context, Effect, Layer, Metric, Redacted, type Scope } from "effect"

/** The state of one worker, as `status --json` prints it. */
export interface WorkerReport {
  readonly directory: string
  /** Address of the deployment. */
  readonly deployment: string
  /** State of the lifecycle: `Ready`, `Paused`, `Recovering`, … `Failed` also of a worker that never started. */
  readonly state: string
  /** Cause of the state, or null. */
  readonly detail: string | null
  /** Whether it takes prompts, or an operator has paused it. */
  readonly healthy: boolean
  readonly workerId: string | null
  readonly epoch: number | null
  readonly connected: boolean
  readonly opencode: { readonly version: string | null; readonly running: boolean }
  readonly turns: { readonly running: number; readonly queued: number }
  readonly openRequests: number
}

/** The facts that only the worker itself knows. It keeps them up to date. */
export interface WorkerFacts {
  readonly directory: string
  readonly deployment: string
  state: string
  detail: string | null
  workerId: string | null
  epoch: number | null
  opencodeVersion: string | null
  /** Its OpenCode, for its owner. Null unless the worker is attachable. */
  server: Effect.Effect<OpenCodeServer, HostError> | null
}

/** What opens OpenCode's own interface on a worker. */
export interface Attachment {
  readonly directory: string
  readonly url: string
  readonly username: string
  readonly password: string
  /** Null for a server that the worker did not start. */
  readonly program: string | null
}

const attachmentOf = ({ directory, server }: WorkerFacts) =>
  server === null
    ? Effect.succeed([])
    : Effect.match(server, {
        onSuccess: ({ binary, password, url, username }): ReadonlyArray<Attachment> => [
          { directory, url, username, password: Redacted.value(password), program: binary?.path ?? null }
        ],
        onFailure: () => []
      })

export const initialFacts = (directory: string, deployment: string): WorkerFacts => ({
  directory,
  deployment,
  state: "Starting",
  detail: null,
  workerId: null,
  epoch: null,
  opencodeVersion: null,
  server: null
})

const healthyStates: ReadonlySet<string> = new Set(["Ready", "Paused"])

/** The value of a gauge of one directory. 0 before its first update. */
const gaugeOf = (snapshot: ReadonlyArray<Metric.Metric.Snapshot>, directory: string) => (id: string) => {
  const found = snapshot.find((metric) => metric.id === id && metric.attributes?.["directory"] === directory)
  return found?.type === "Gauge" ? Number(found.state.value) : 0
}

const report = (snapshot: ReadonlyArray<Metric.Metric.Snapshot>, facts: WorkerFacts): WorkerReport => {
  const { deployment, detail, directory, epoch, opencodeVersion, state, workerId } = facts
  const gauge = gaugeOf(snapshot, directory)
  const connected = gauge("convex_connected") === 1
  return {
    directory,
    deployment,
    state,
    detail,
    healthy: connected && healthyStates.has(state),
    workerId,
    epoch,
    connected,
    opencode: { version: opencodeVersion, running: gauge("opencode_running") === 1 },
    turns: { running: gauge("turns_running"), queued: gauge("turns_queued") },
    openRequests: gauge("requests_open")
  }
}

const ready = (directory: string) =>
  Metric.gauge("ready", {
    description: "1 while the worker takes prompts or is paused, otherwise 0",
    attributes: { directory }
  })

export class RunningWorkers extends Context.Service<
  RunningWorkers,
  {
    /** Adds a worker until the scope closes. */
    readonly add: (facts: WorkerFacts) => Effect.Effect<void, never, Scope.Scope>
    readonly reports: Effect.Effect<ReadonlyArray<WorkerReport>>
    /** Starts a server that was stopped. */
    readonly attachments: Effect.Effect<ReadonlyArray<Attachment>>
  }
>()("opencode-worker/RunningWorkers") {
  static readonly layer = Layer.sync(RunningWorkers, () => {
    const workers = new Set<WorkerFacts>()
    return RunningWorkers.of({
      add: Effect.fnUntraced(function* (facts) {
        const { remove } = Metric.registerUnsafe(ready(facts.directory), yield* Effect.context(), {
          update: () => {},
          modify: () => {},
          get: () => ({ value: healthyStates.has(facts.state) ? 1 : 0 })
        })
        workers.add(facts)
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            workers.delete(facts)
            remove()
          })
        )
      }),
      attachments: Effect.map(
        Effect.suspend(() => Effect.forEach(workers, attachmentOf, { concurrency: "unbounded" })),
        (found) => found.flat()
      ),
      reports: Effect.map(Metric.snapshot, (snapshot) => [...workers].map((facts) => report(snapshot, facts)))
    })
  })
}

/** Runs a worker whose metrics carry its directory. */
export const inDirectory = (directory: string) => Effect.provideService(Metric.CurrentMetricAttributes, { directory })
