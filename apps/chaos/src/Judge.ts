/** The rules for the end of a prompt, as pure functions. */
import type { OpenCodeRecord } from "./OpenCodeRecord.ts"
import { asks, openingOf, type Prompt } from "./Prompt.ts"

/** The observations of a prompt after its case. */
export interface Observed {
  readonly prompt: Pick<
    Prompt,
    "id" | "kind" | "answer" | "requests" | "followsCompaction" | "ends" | "fileMistakes" | "steer"
  > & {
    readonly shown: { readonly text: string }
  }
  /** Undefined if it did not end in time. */
  readonly status: string | undefined
  /** Details of a prompt that did not end. */
  readonly unended: string
  readonly error: string
  /** The final parts: texts, and the states of tools. */
  readonly texts: ReadonlyArray<string>
  readonly tools: ReadonlyArray<string>
  /** A prompt that steered it took over: it ended with what it had. */
  readonly takenOver: boolean
  /** Requests to a person that are still open. */
  readonly pending: number
  readonly record: OpenCodeRecord
  /** How often the command of the prompt ran. */
  readonly ran: number
  /** OpenCode and its worker kept running, so the turn must be whole. */
  readonly spared: boolean
}

export interface Violation {
  readonly kind: "lost" | "duplicated" | "unsettled"
  readonly why: string
}

const lost = (why: string): Violation => ({ kind: "lost", why })
const duplicated = (why: string): Violation => ({ kind: "duplicated", why })
const unsettled = (why: string): Violation => ({ kind: "unsettled", why })

/** OpenCode stores one message for each answered request. A refusal has no message, and a summary is not an answer. */
const answersOf = (prompt: Observed["prompt"]) =>
  asks[prompt.kind].filter((asked) => asked === "tool" || asked === "answer").length

/** A turn may request the model once for each of its parts. */
const repeats = ({ prompt, ran, record }: Observed): ReadonlyArray<Violation> => [
  ...Array.from(prompt.requests)
    .filter(([, times]) => times > 1)
    .map(([asked, times]) => duplicated(`the model was asked ${times} times for its ${asked}`)),
  ...(prompt.requests.has("earlier summary") && !prompt.followsCompaction
    ? [duplicated("the model was asked for a summary, and the context was not full")]
    : []),
  ...(record.answers > answersOf(prompt) ? [duplicated(`OpenCode has ${record.answers} answers to it`)] : []),
  ...(prompt.ends.size > 1 ? [duplicated(`it ended as ${Array.from(prompt.ends).join(", then as ")}`)] : []),
  ...(ran > 1 ? [duplicated(`its command ran ${ran} times`)] : []),
  ...(record.prompts > 1 ? [duplicated(`OpenCode has the prompt ${record.prompts} times`)] : [])
]

/** Whether a text is the beginning of the answer, and after it that of the answer to the prompt that steered. */
const isOf = ({ answer, steer }: Observed["prompt"], text: string): boolean => {
  for (let length = 0; length <= text.length && answer.startsWith(text.slice(0, length)); length++) {
    if (steer.answer.startsWith(text.slice(length))) return true
  }
  return answer.startsWith(text)
}

/** The model was given two prompts at once, and its answer to the later one is in the turn of the earlier one. */
const isShared = ({ answer, steer }: Observed["prompt"], text: string): boolean =>
  steer.answer !== "" && text !== answer && text.endsWith(steer.answer)

const losses = ({
  error,
  prompt,
  ran,
  record,
  spared,
  status,
  takenOver,
  texts
}: Observed): ReadonlyArray<Violation> => {
  const text = texts.join("")
  const shown = prompt.shown.text
  const unasked = asks[prompt.kind].filter((asked) => !prompt.requests.has(asked))
  const opening = openingOf(prompt.id)
  switch (status) {
    case "completed":
      if (takenOver || isShared(prompt, text)) {
        return isOf(prompt, text) && text.startsWith(shown)
          ? []
          : [lost(`"${shown}" was shown, and it was taken over with "${text}"`)]
      }
      if (text === prompt.answer) {
        return [
          ...(asks[prompt.kind].includes("tool") && ran === 0 ? [lost("its command never ran")] : []),
          ...unasked.map((asked) => lost(`the model was never asked for its ${asked}`))
        ]
      }
      return text.split(opening).length > 2 ? [duplicated("it holds its answer twice")] : [lost(`it holds "${text}"`)]
    case "interrupted":
      return [
        ...(spared ? [lost(`it was interrupted though nothing of it died (${error})`)] : []),
        ...(record.prompts === 0 ? [lost("it was given up, and OpenCode never had it")] : []),
        ...(record.finished ? [lost("OpenCode has finished it, and that was not brought over")] : []),
        ...(text.startsWith(shown) ? [] : [lost(`"${shown}" was shown, and "${text}" is kept`)])
      ]
    default:
      return [lost(`it ended as ${status} (${error})`)]
  }
}

/** The broken rules, or none. */
export const judge = (observed: Observed): ReadonlyArray<Violation> => {
  const { pending, status, tools } = observed
  if (status === undefined) return [unsettled(`it did not end: ${observed.unended}`), ...repeats(observed)]
  const open = tools.filter((state) => state !== "completed" && state !== "error")
  return [
    ...repeats(observed),
    ...losses(observed),
    ...Array.from(observed.prompt.fileMistakes).map(lost),
    ...(open.length > 0 ? [unsettled(`a tool of it is left ${open.join()}`)] : []),
    ...(pending > 0 ? [unsettled("what it asked is left open")] : [])
  ]
}
