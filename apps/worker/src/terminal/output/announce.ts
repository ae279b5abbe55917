/** Reports the progress of a worker: aligned lines on standard output for people, or log entries for programs. */
import { Context, Effect } from "effect"
import { LogFormat } from "./LogFormat.ts"
import { printLine } from "./Output.ts"
import { none, type ScreenText, screen } from "./ScreenText.ts"

/** Before each line, if several workers run in one process. */
export const LinePrefix = Context.Reference<ScreenText>("opencode-worker/LinePrefix", { defaultValue: () => none })

const width = 14

/** `label` has at most 13 characters. */
export const announce = Effect.fnUntraced(function* (label: string, text: ScreenText = none) {
  const padded = text.isEmpty ? label : label.padEnd(width)
  if ((yield* LogFormat) === "pretty") return yield* printLine(screen`${yield* LinePrefix}${padded}${text}`)
  yield* Effect.logInfo(text.isEmpty ? label : `${label}: ${text.text}`)
})
