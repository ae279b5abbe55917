/**
 * Ends a command whose purpose is its output when that is lost: the reader of a pipe has gone, the disk is full. Its
 * scopes are closed. A service does without this, and outlives its log.
 */
import { Effect, Runtime, Schema } from "effect"
import { temporaryError } from "../../AppError.ts"
import { outputLost } from "./Output.ts"

/**
 * The reader of a pipe chose to leave: there is nothing to say.
 *
 * @public
 */
export class ReaderLeft extends Schema.TaggedError<ReaderLeft>()("ReaderLeft", { exitCode: Schema.Int }) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/**
 * `whenReaderLeft`: the exit code where the other end of a pipe was closed. 0 for a list, of which the reader has what it
 * wanted.
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
