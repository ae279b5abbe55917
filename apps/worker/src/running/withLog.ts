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
