/** A result of `opencode-worker doctor`. */
import { Effect } from "effect"

export interface Finding {
  readonly name: string
  readonly state: "ok" | "warning" | "problem"
  readonly detail: string
  /** The remedy, as a sentence. Null if there is nothing to do. */
  readonly advice: string | null
}

const sentence = (text: string) => `${text.trim().replace(/[.]$/, "")}.`

export const ok = (name: string, detail: string): Finding => ({ name, state: "ok", detail, advice: null })
export const warning = (name: string, detail: string, advice: string): Finding => ({
  name,
  state: "warning",
  detail,
  advice: sentence(advice)
})
export const problem = (name: string, detail: string, advice: string): Finding => ({
  name,
  state: "problem",
  detail,
  advice: sentence(advice)
})

/** A check whose failure is a problem: the message of an error already names the remedy. */
export const check = <E extends { readonly message: string }, R>(
  name: string,
  look: Effect.Effect<Finding | ReadonlyArray<Finding>, E, R>
): Effect.Effect<ReadonlyArray<Finding>, never, R> =>
  Effect.match(look, {
    onSuccess: (found) => [found].flat(),
    onFailure: ({ message }): ReadonlyArray<Finding> => [
      { name, state: "problem", detail: message.trim(), advice: null }
    ]
  })

/** Bytes in the largest whole unit. */
export const bytes = (count: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB"]
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)))
  return `${(count / 1000 ** at).toFixed(at === 0 ? 0 : 1)} ${units[at] ?? ""}`
}
