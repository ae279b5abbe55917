/** A log entry as one JSON object. Pure. */
import { Cause, Inspectable, type Logger, Predicate, Redactable } from "effect"

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> => {
  const shown = Redactable.redact(value)
  return Predicate.isObject(shown) && !Array.isArray(shown) && !(shown instanceof Error)
    ? { ...shown }
    : { detail: typeof shown === "string" ? shown : Inspectable.toStringUnknown(shown) }
}

/** `time`, `level` and `message` come first, and no other field replaces them. */
export const jsonEntry = (
  entry: Pick<Logger.Options<unknown>, "cause" | "date" | "logLevel" | "message">,
  annotations: Readonly<Record<string, unknown>>
): string => {
  const [first, ...rest] = [entry.message].flat()
  const isCause = Cause.isCause(first)
  const causes = [
    ...(entry.cause.reasons.length === 0 ? [] : [entry.cause]),
    ...[first, ...rest].filter((value) => Cause.isCause(value))
  ]
  const own = {
    time: entry.date.toISOString(),
    level: entry.logLevel.toLowerCase(),
    message: isCause ? "An unexpected error" : typeof first === "string" ? first : Inspectable.toStringUnknown(first)
  }
  const more = rest.filter((value) => !Cause.isCause(value)).map(fieldsOf)
  const cause = causes.length === 0 ? {} : { cause: causes.map((one) => Cause.pretty(one)).join("\n") }
  return JSON.stringify({ ...own, ...Object.assign({}, annotations, ...more), ...cause, ...own })
}

const priorities: Readonly<Record<string, number>> = { Fatal: 2, Error: 3, Warn: 4, Info: 6 }

/** The prefix by which journald knows the priority of a line. */
export const journalPrefix = (level: string): string => `<${priorities[level] ?? 7}>`

/** Whether a file of this device and inode is the journal, by the variable that systemd sets. */
export const isJournal = (
  variable: string | undefined,
  file: { readonly dev: number; readonly ino: number }
): boolean => variable === `${file.dev}:${file.ino}`
