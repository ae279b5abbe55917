/**
 * Ends a command whose purpose is its output when the output is lost: the reader of a pipe has left, or the disk is full.
 * Its scopes are closed. A service does not use this, so it continues without its log.
 */
import { Effect, Runtime, Schema } from "effect"
import { temporaryError } from "../../AppError.ts"
import { outputLost } from "./Output.ts"

/**
 * The reader of a pipe has left on purpose, so no error is printed.
 *
 * @public
 */
export class ReaderLeft extends Schema.TaggedError<ReaderLeft>()("ReaderLeft", { exitCode: Schema.Int }) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/**
 * `whenReaderLeft`: the exit code if the reader closed the pipe. 0 for a list, because the reader has read enough.
 */
export const endWithOutput =
  (whenReaderLeft: number) =>
  <A, E, R>(program: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(
      program,
      Effect.flatMap(outputLost, ({ code, message }) =>
        Effect.fail(
          code === "EPIPE"
            ? new ReaderLeft({ exitCode: whenReaderLeft })
            : temporaryError(`Standard output cannot be written: ${message}.`)
        )
      )
    )
