/** Traces, metrics and log entries for a collector, by the variables of OpenTelemetry. Loaded only if one is configured. */
import { ConfigProvider, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp, OtlpSerialization } from "effect/observability"
import { packageVersion } from "../info/version.ts"
import { withoutSecrets } from "../terminal/output/redact.ts"

const clean = (value: unknown): unknown => {
  if (typeof value === "string") return withoutSecrets(value)
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, clean(field)]))
}

/** Removes secrets from each text before it is encoded. */
const redacted = Layer.effect(
  OtlpSerialization.OtlpSerialization,
  OtlpSerialization.OtlpSerialization.useSync(({ logs, metrics, traces }) =>
    OtlpSerialization.OtlpSerialization.of({
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only texts change
      traces: (data) => traces(clean(data) as typeof data),
      metrics,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only texts change
      logs: (data) => logs(clean(data) as typeof data)
    })
  )
)

/** The exporters. Each signal is exported unless its `OTEL_…_EXPORTER` names another exporter than `otlp`. */
export const telemetryLayer = (environment: Readonly<Record<string, string | undefined>>) => {
  const defaults = { OTEL_TRACES_EXPORTER: "otlp", OTEL_METRICS_EXPORTER: "otlp", OTEL_LOGS_EXPORTER: "otlp" }
  const given = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => (entry[1] ?? "") !== "")
  )
  const isJson = given["OTEL_EXPORTER_OTLP_PROTOCOL"] === "http/json"
  const serialization = isJson ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf
  return Otlp.layerFromConfig({
    resource: {
      serviceName: given["OTEL_SERVICE_NAME"] ?? "opencode-worker",
      serviceVersion: packageVersion
    }
  }).pipe(
    Layer.provide(Layer.provide(redacted, serialization)),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...defaults, ...given } })))
  )
}
