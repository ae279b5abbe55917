/** The responses of the health endpoints. */
import { Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { packageVersion } from "../info/version.ts"
import { processStart } from "./processStart.ts"
import { RunningWorkers, type WorkerReport } from "./RunningWorkers.ts"

/** One process, as `status --json` prints it. */
export interface ProcessReport {
  readonly pid: number
  readonly version: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly workers: ReadonlyArray<WorkerReport>
}

export interface HealthResponse {
  readonly status: number
  readonly type: string
  readonly body: string
}

const text = (status: number, body: string): HealthResponse => ({ status, type: "text/plain; charset=utf-8", body })

const processReport = Effect.map(
  RunningWorkers.use(({ reports }) => reports),
  (workers): ProcessReport => ({ pid: process.pid, version: packageVersion, startedAt: processStart, workers })
)

const attachments = RunningWorkers.use((workers) => workers.attachments)

const readiness = Effect.map(
  RunningWorkers.use(({ reports }) => reports),
  (workers) => {
    const isReady = workers.length > 0 && workers.every(({ healthy }) => healthy)
    const lines = workers.map(
      ({ directory, healthy, state }) => `${healthy ? "ok" : "not ready"} ${state} ${directory}\n`
    )
    return text(isReady ? 200 : 503, workers.length === 0 ? "no worker runs\n" : lines.join(""))
  }
)

/** Metrics of the process keep the names that dashboards expect. */
const metricName = (id: string): string => (/^(?:process|nodejs)_/.test(id) ? id : `opencode_worker_${id}`)

const metrics = Effect.map(PrometheusMetrics.format({ metricNameMapper: metricName }), (body) => ({
  status: 200,
  type: "text/plain; version=0.0.4; charset=utf-8",
  body
}))

/** Names of the machine itself, with any port. Others are refused, so that no web page reads the endpoints by DNS rebinding. */
const isLocalHost = (host: string | undefined): boolean =>
  host !== undefined && /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(host)

const unknownPath = Effect.succeed(text(404, "the paths are /healthz, /readyz, /metrics and /status\n"))

const json = (value: unknown): HealthResponse => ({
  status: 200,
  type: "application/json",
  body: `${JSON.stringify(value)}\n`
})

/** `isOwn`: the request came through the socket that only this user can open. */
export const respond = (request: {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly host: string | undefined
  readonly isOwn?: boolean
}): Effect.Effect<HealthResponse, never, RunningWorkers> => {
  if (!isLocalHost(request.host)) return Effect.succeed(text(421, "the Host header must name this machine\n"))
  if (request.method !== "GET" && request.method !== "HEAD") return Effect.succeed(text(405, "only GET is allowed\n"))
  switch (request.path?.split("?")[0]) {
    case "/healthz":
      return Effect.succeed(text(200, "ok\n"))
    case "/readyz":
      return readiness
    case "/metrics":
      return metrics
    case "/status":
      return Effect.map(processReport, json)
    case "/opencode":
      return request.isOwn === true ? Effect.map(attachments, json) : unknownPath
    default:
      return unknownPath
  }
}
