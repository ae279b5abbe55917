/**
 * Standard output and standard error: the only module that writes to them, and the owner of their errors.
 *
 * A write never fails. The first error (the reader is gone, the disk is full) is kept in `outputLost`: a command that
 * exists for its output ends by it, a service outlives it. A process has one of each, so this is one state.
 */
import { Effect } from "effect"
import { type ScreenText, screen } from "./ScreenText.ts"

let isAtLineStart = true
let lost: NodeJS.ErrnoException | undefined
const onLost = new Set<(error: NodeJS.ErrnoException) => void>()

const nothing = () => undefined

/**
 * Writes to standard output, in the order of the calls.
 *
 * @category operations
 */
export const print = (text: ScreenText): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (!text.isEmpty) isAtLineStart = text.endsLine
    process.stdout.write(text.text, () => resume(Effect.void))
  })

/** @category operations */
export const printLine = (text: ScreenText): Effect.Effect<void> => print(screen`${text}\n`)

/**
 * Writes a line to standard error, for a logger. At a terminal it does not begin in the middle of an answer.
 *
 * @category operations
 */
export const logLine = (text: ScreenText): void => {
  const isInAnswer = process.stderr.isTTY && !isAtLineStart
  process.stderr.write(screen`${isInAnswer ? "\n" : ""}${text}\n`.text, nothing)
  if (process.stderr.isTTY) isAtLineStart = true
}

/**
 * Without this a failed write is an uncaught exception. To be called once, before the first write.
 *
 * @category operations
 */
export const ownErrors = (): void => {
  process.stderr.on("error", nothing)
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    lost ??= error
    for (const listener of onLost) listener(lost)
  })
}

/**
 * Waits until standard output is lost.
 *
 * @category operations
 */
export const outputLost: Effect.Effect<NodeJS.ErrnoException> = Effect.callback((resume) => {
  if (lost !== undefined) return resume(Effect.succeed(lost))
  const listener = (error: NodeJS.ErrnoException) => resume(Effect.succeed(error))
  onLost.add(listener)
  return Effect.sync(() => void onLost.delete(listener))
})
