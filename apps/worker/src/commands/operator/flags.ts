/** Flags and arguments that more than one operator command takes. */
import { Duration, Option } from "effect"
import { Argument, Flag } from "effect/cli"
import { formats } from "../../operator/answerFormat.ts"

export const session = Argument.String("session").pipe(
  Argument.withDescription("The id of a session, or the start of it")
)

export const turn = Argument.String("turn").pipe(
  Argument.withDescription("The id of a turn, or the start of it (default: the newest)"),
  Argument.optional
)

export const worker = Flag.String("worker").pipe(
  Flag.withAlias("w"),
  Flag.withDescription("A worker: its machine, the name of its directory, or the start of its id"),
  Flag.optional
)

export const model = Flag.String("model").pipe(
  Flag.withAlias("m"),
  Flag.withDescription("provider/model (default: OpenCode's choice)"),
  Flag.optional
)

export const limit = Flag.Int("limit").pipe(
  Flag.withAlias("L"),
  Flag.withDescription("The number of rows, the newest first (default: 30)"),
  Flag.withDefault(30)
)

export const format = Flag.Literals("format", formats).pipe(
  Flag.withDescription("text: the answer (default); json: one object at the end; jsonl: an object per change"),
  Flag.withDefault("text" as const)
)

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `20m`, `2h`, `1d`. */
const durationOf = (text: string): Option.Option<Duration.Duration> => {
  const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text.trim()) ?? []
  return count === undefined ? Option.none() : Option.some(Duration.millis(Number(count) * (units[unit] ?? 0)))
}

export const timeout = Flag.String("timeout").pipe(
  Flag.withMetavar("time"),
  Flag.withDescription("A time limit such as 90s, 20m or 2h; exit code 6 when it passes"),
  Flag.filterMap(durationOf, (text) => `"${text}" is not a time: write 90s, 20m, 2h or 1d.`),
  Flag.optional
)
