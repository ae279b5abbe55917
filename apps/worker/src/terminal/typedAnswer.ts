/**
 * Parses the text that a person typed after a request. Pure. For unclear text, the request is repeated with a hint.
 */
import type { Answer } from "@opencode-worker/client"
import type { Question } from "./requestCard.ts"

export type Typed<A> =
  | { readonly _tag: "Answer"; readonly answer: A }
  | { readonly _tag: "Unclear"; readonly hint: string }

const answer = <A>(given: A): Typed<A> => ({ _tag: "Answer", answer: given })
const unclear = (hint: string): Typed<never> => ({ _tag: "Unclear", hint })

/** A shorter text is treated as a typing mistake, not as an instruction. */
const shortestInstruction = 3

/** Answers that also allow later requests. */
const reaches = { t: "turn", turn: "turn", s: "session", session: "session", a: "always", always: "always" } as const

/** Whether a text that was entered as a prompt may be meant as the answer to a permission request. */
export const isShortAnswer = (text: string): boolean => {
  const word = text.trim().toLowerCase()
  return /^(?:y|yes|once|n|no)$/.test(word) || Object.hasOwn(reaches, word)
}

/** Words for yes, for how long, and for no. Any longer text is an instruction that the model reads before it continues. */
export const permissionAnswer = (typed: string, isAlwaysOffered: boolean): Typed<Answer> => {
  const word = typed.trim()
  if (/^(y|yes|once)$/i.test(word)) return answer({ type: "once" })
  const reach = Object.entries(reaches).find(([name]) => name === word.toLowerCase())?.[1]
  if (reach !== undefined) {
    return isAlwaysOffered ? answer({ type: reach }) : unclear("This request can be allowed once only: y or n.")
  }
  if (/^(n|no)$/i.test(word)) return answer({ type: "reject" })
  if (word.startsWith("/")) return unclear("Commands are not read here: answer first, or press Esc or Ctrl-C.")
  return word.length < shortestInstruction
    ? unclear("Type y, n, or an instruction for the agent.")
    : answer({ type: "reject", message: word })
}

/** The option with exactly this label, or the only option with this label in another case. */
const labelled = ({ options }: Question, text: string): string | undefined => {
  const exact = options.find(({ label }) => label.trim() === text)
  if (exact !== undefined) return exact.label
  const similar = options.filter(({ label }) => label.trim().toLowerCase() === text.toLowerCase())
  return similar.length === 1 ? similar[0]?.label : undefined
}

const chosen = (question: Question, text: string): string | undefined =>
  labelled(question, text) ?? (/^\d+$/.test(text) ? question.options[Number(text) - 1]?.label : undefined)

/**
 * A label, the number of an option, several of them if the question allows it, or an answer in the person's own words.
 */
export const questionAnswer = (question: Question, typed: string): Typed<ReadonlyArray<string>> => {
  const text = typed.trim()
  const { custom, multiple, options } = question
  const range = options.length === 1 ? "1" : `1 to ${options.length}`
  if (text === "") return unclear(custom ? "Type an answer." : `Type a number from ${range}.`)
  const one = chosen(question, text)
  if (one !== undefined) return answer([one])
  const parts = text.includes(",") ? text.split(",").map((part) => part.trim()) : text.split(/\s+/)
  const labels = parts.map((part) => chosen(question, part))
  const areOptions = labels.every((label) => label !== undefined)
  if (areOptions && multiple) return answer([...new Set(labels)])
  if (options.length > 0) {
    if (areOptions) return unclear(`One option can be chosen: type a number from ${range}.`)
    if (parts.every((part) => /^\d+$/.test(part)))
      return unclear(`There is no such option: type a number from ${range}.`)
  }
  return custom ? answer([text]) : unclear(`Only these options can be chosen: type a number from ${range}.`)
}
