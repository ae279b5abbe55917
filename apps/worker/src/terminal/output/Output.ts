/**
 * The only module that writes to standard output and standard error. It handles their errors.
 *
 * A process has one of each, so the state is global:
 *
 * - `footer`: the line that a person edits, kept below all other output.
 * - `waiting`: output that waits while a request is shown, so that no text can imitate the request.
 *
 * A write never fails. The first error (the reader has left, the disk is full) is kept in `outputLost`. It ends a command
 * whose purpose is its output; a service continues.
 */
import { Effect } from "effect"
import { none, type ScreenText, screen } from "./ScreenText.ts"

export interface Footer {
  /** Escape sequences that erase it. */
  readonly erase: () => string
  /** Text and escape sequences that draw it, cleaned. */
  readonly draw: () => string
}

type Job = () => void

/** Maximum number of log lines that wait while a request is shown. Older ones are dropped and counted. */
const mostWaiting = 500

let footer: Footer | undefined
let waiting: { readonly jobs: Array<Job>; readonly log: Array<ScreenText>; leftOut: number } | undefined
let isAtLineStart = true
let lost: NodeJS.ErrnoException | undefined
const onLost = new Set<(error: NodeJS.ErrnoException) => void>()

const toStdout = (text: ScreenText, done: () => void): void => {
  if (footer !== undefined) {
    const line = text.endsLine || text.isEmpty ? "" : "\n"
    process.stdout.write(`${footer.erase()}${text.text}${line}${footer.draw()}`, done)
    return
  }
  if (!text.isEmpty) isAtLineStart = text.endsLine
  process.stdout.write(text.text, done)
}

const nothing = () => undefined

const toStderr = (text: ScreenText): void => {
  if (!process.stderr.isTTY) return void process.stderr.write(text.text, nothing)
  if (footer !== undefined) return toStdout(text, nothing)
  // The terminal shows both streams, so a log line starts on a new line.
  process.stderr.write(isAtLineStart ? text.text : `\n${text.text}`, nothing)
  isAtLineStart = true
}

/** Writes to standard output, in the order of the calls. */
export const print = (text: ScreenText): Effect.Effect<void> =>
  Effect.callback((resume) => {
    let isWanted = true
    const job = () => {
      if (isWanted) toStdout(text, () => resume(Effect.void))
    }
    if (waiting === undefined) job()
    else waiting.jobs.push(job)
    return Effect.sync(() => void (isWanted = false))
  })

export const printLine = (text: ScreenText): Effect.Effect<void> => print(screen`${text}\n`)

/** Writes a line to standard error, for a logger. */
export const logLine = (text: ScreenText): void => {
  const line = screen`${text}\n`
  if (waiting === undefined) return toStderr(line)
  if (waiting.log.length === mostWaiting) {
    waiting.log.shift()
    waiting.leftOut++
  }
  waiting.log.push(line)
}

/** From now on only `printHeld` writes, until `release`. */
export const hold = (): void => void (waiting ??= { jobs: [], log: [], leftOut: 0 })

export const release = (): void => {
  const held = waiting
  waiting = undefined
  if (held === undefined) return
  if (held.leftOut > 0) toStderr(screen`(${held.leftOut} log lines are left out)\n`)
  held.log.forEach(toStderr)
  held.jobs.forEach((job) => job())
}

/** Writes although output is held back. Ends when the terminal has received the text. */
export const printHeld = (text: ScreenText): Effect.Effect<void> =>
  Effect.callback((resume) => toStdout(text, () => resume(Effect.void)))

/** Columns of the terminal, or 80 without one. */
export const columns = (): number => process.stdout.columns || 80

/** Makes the next output start on a new line. */
export const startLine = (): void => {
  if (!isAtLineStart) toStdout(screen`\n`, nothing)
}

/** Replaces the footer, and leaves `left` in place of the previous one. `stays`: the previous one stays above. */
export const setFooter = (next: Footer | undefined, left: ScreenText = none, stays = false): void => {
  const erased = footer === undefined ? "" : stays ? "\n" : footer.erase()
  footer = next
  process.stdout.write(`${erased}${left.text}${next?.draw() ?? ""}`, nothing)
  isAtLineStart = true
}

/** Redraws the footer. `added`: the only change, at its end. */
export const redraw = (added?: string): void => {
  if (footer === undefined) return
  process.stdout.write(added ?? footer.erase() + footer.draw(), nothing)
}

/** Escape sequences that change a mode of the terminal. */
export const setMode = (sequence: "\u001b[?2004h" | "\u001b[?2004l"): void =>
  void process.stdout.write(sequence, nothing)

/** Call it once, before the first write. Otherwise a failed write is an uncaught exception. */
export const ownErrors = (): void => {
  process.stderr.on("error", nothing)
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    lost ??= error
    for (const listener of onLost) listener(lost)
  })
}

/** Waits until standard output is lost. */
export const outputLost: Effect.Effect<NodeJS.ErrnoException> = Effect.callback((resume) => {
  if (lost !== undefined) return resume(Effect.succeed(lost))
  const listener = (error: NodeJS.ErrnoException) => resume(Effect.succeed(error))
  onLost.add(listener)
  return Effect.sync(() => void onLost.delete(listener))
})
