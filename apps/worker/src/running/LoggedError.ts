/** Ends a command whose error is an entry of its log. */
import { Effect, References, Runtime, Schema } from "effect"
import type { AppError } from "../AppError.ts"
import { LogFormat } from "../terminal/output/LogFormat.ts"

/** @public */
export class LoggedError extends Schema.TaggedError<LoggedError>()("LoggedError", { exitCode: Schema.Int }) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/** With JSON lines, the error of a command is one of them, in place of the text of the command line. */
export const logged = <A, R>(program: Effect.Effect<A, AppError, R>): Effect.Effect<A, AppError | LoggedError, R> =>
  program.pipe(
    Effect.catchTag("AppError", (error) =>
      Effect.flatMap(LogFormat, (format): Effect.Effect<never, AppError | LoggedError> =>
        format === "pretty"
          ? Effect.fail(error)
          : Effect.logFatal(error.text, { exitCode: error.exitCode }).pipe(
              Effect.provideService(References.MinimumLogLevel, "All"),
              Effect.andThen(Effect.fail(new LoggedError({ exitCode: error.exitCode })))
            )
      )
    )
  )
