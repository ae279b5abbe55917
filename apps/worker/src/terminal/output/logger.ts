/**
 * Writes log lines to standard error, as text or as JSON. Each value is cleaned and freed of secrets here, so no log call can
 * omit it. Only the first line of a message starts at the left edge.
 */
import { fstatSync } from "node:fs"
import { Cause, Inspectable, type Layer, Logger, Redactable, References } from "effect"
import { isJournal, journalPrefix, jsonEntry } from "./jsonEntry.ts"
import { LogFormat } from "./LogFormat.ts"
import { logLine } from "./Output.ts"
import { withoutSecrets } from "./redact.ts"
import { ScreenText, screen } from "./ScreenText.ts"
import { type Style, styleFor } from "./Style.ts"

const shown = (value: unknown): string =>
  typeof value === "string" ? value : Inspectable.toStringUnknown(Redactable.redact(value))

const pad = (value: number, digits = 2) => String(value).padStart(digits, "0")

/** Local time, as in the user's shell. */
const time = (at: Date) =>
  `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`

/** The text of one log entry. */
export const format = (
  style: Style,
  entry: Pick<Logger.Options<unknown>, "cause" | "date" | "logLevel" | "message">
) => {
  const messages = Array.isArray(entry.message) ? entry.message : [entry.message]
  const causes = entry.cause.reasons.length === 0 ? [] : [Cause.pretty(entry.cause)]
  const text = ScreenText.indent(screen`${withoutSecrets([...messages.map(shown), ...causes].join("\n"))}`, "  ")
  const level = screen`${entry.logLevel.toUpperCase()}`
  const isAlarm = entry.logLevel === "Error" || entry.logLevel === "Fatal" || entry.logLevel === "Warn"
  return screen`${style.faint(screen`[${time(entry.date)}]`)} ${isAlarm ? style.alarm(level) : level}: ${text}`
}

/** Whether standard error is the journal of systemd. */
const isJournalled = (): boolean => {
  try {
    return isJournal(process.env["JOURNAL_STREAM"], fstatSync(2))
  } catch {
    return false
  }
}

const toStderr = (isTerminal: boolean) => {
  const style = styleFor(isTerminal)
  const hasPriorities = isJournalled()
  return Logger.make((entry) => {
    const fields = entry.fiber.getRef(References.CurrentLogAnnotations)
    if (entry.fiber.getRef(LogFormat) === "json") {
      const prefix = hasPriorities ? journalPrefix(entry.logLevel) : ""
      return logLine(screen`${prefix}${withoutSecrets(jsonEntry(entry, fields))}`)
    }
    const annotations = Object.entries(fields)
    const more = annotations.map(([name, value]) => `${name}=${shown(value)}`)
    const message = [entry.message].flat()
    logLine(format(style, { ...entry, message: more.length === 0 ? message : [...message, more.join(" ")] }))
  })
}

export const layer: Layer.Layer<never> = Logger.layer([toStderr(process.stderr.isTTY), Logger.tracerLogger])
