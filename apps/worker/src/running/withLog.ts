/** Runs a service with the log that its settings choose. */
import { Effect, type LogLevel, References } from "effect"
import type { ProcessValues } from "../config/settings.ts"
import { LogFormat } from "../terminal/output/LogFormat.ts"

const levels: Readonly<Record<NonNullable<ProcessValues["logLevel"]>, LogLevel.LogLevel>> = {
  all: "All",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  none: "None"
}

/** Without a chosen format: lines for people at a terminal, otherwise JSON. */
export const withLog =
  ({ logFormat, logLevel }: Pick<ProcessValues, "logFormat" | "logLevel">) =>
  <A, E, R>(service: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    service.pipe(
      Effect.provideService(References.MinimumLogLevel, levels[logLevel ?? "info"]),
      Effect.provideService(LogFormat, logFormat ?? (process.stderr.isTTY ? "pretty" : "json"))
    )

const endpoints = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  ...["TRACES", "METRICS", "LOGS"].map((name) => `OTEL_EXPORTER_OTLP_${name}_ENDPOINT`)
]

/**
 * Exports what the service does to the collector that the variables of OpenTelemetry name. Without one, spans are not made: a turn has
 * about 20.
 */
export const withTelemetry = <A, E, R>(service: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  if (endpoints.every((name) => (process.env[name] ?? "") === "")) return Effect.withTracerEnabled(service, false)
  return Effect.flatMap(
    Effect.promise(() => import("./telemetry.ts")),
    ({ telemetryLayer }) => Effect.provide(service, telemetryLayer(process.env))
  )
}
