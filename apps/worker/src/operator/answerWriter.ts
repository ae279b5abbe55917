/** Writes a followed turn to standard output: for a person, as the text of the answer, or as JSON. */
import type { SessionId, TurnId } from "@opencode-worker/client"
import * as TurnView from "@opencode-worker/client/view"
import { Effect } from "effect"
import { print, printLine } from "../terminal/output/Output.ts"
import { screen } from "../terminal/output/ScreenText.ts"
import { plain } from "../terminal/output/Style.ts"
import * as Transcript from "../terminal/Transcript.ts"
import type { Format } from "./answerFormat.ts"
import { jsonText } from "./jsonText.ts"

export interface AnswerWriter {
  /** Writes the part of a view that is not written yet. The last view has an end. */
  readonly write: (view: TurnView.TurnView) => Effect.Effect<void>
}

const transcriptWriter = (
  page: Transcript.Page,
  shown: (view: TurnView.TurnView) => TurnView.TurnView
): AnswerWriter => {
  let transcript = Transcript.empty
  return {
    write: (view) =>
      Effect.suspend(() => {
        const [next, text] = Transcript.render(transcript, page, shown(view))
        transcript = next
        return text.isEmpty ? Effect.void : print(text)
      })
  }
}

/** Everything that a person at a terminal sees of a turn. */
const transcript = (page: Transcript.Page): AnswerWriter => transcriptWriter(page, (view) => view)

/** Only the text of the answer, as it arrives. */
const answerText = (): AnswerWriter =>
  transcriptWriter({ style: plain, width: null }, (view) => ({
    ...view,
    blocks: view.blocks.filter(({ kind }) => kind === "text"),
    end: view.end && { ...view.end, outcome: "completed", error: null, answeredBy: null }
  }))

interface Ids {
  readonly sessionId: SessionId
  readonly turnId: TurnId
}

const resultOf = ({ sessionId, turnId }: Ids, view: TurnView.TurnView, end: TurnView.TurnEnd) => ({
  type: "result",
  sessionId,
  turnId,
  outcome: end.outcome,
  isWhole: end.isWhole,
  answer: TurnView.answer(view),
  error: end.error,
  answeredBy: end.answeredBy,
  usage: end.usage
})

/** One object at the end. */
const jsonResult = (ids: Ids): AnswerWriter => ({
  write: (view) => (view.end === null ? Effect.void : printLine(jsonText(resultOf(ids, view, view.end))))
})

/**
 * One object per line: `status`, each `block` that begins or changes (text as `added`), and the `result`. The blocks of the
 * final view replace earlier ones with the same id.
 */
const jsonLines = (ids: Ids): AnswerWriter => {
  let before: TurnView.TurnView | undefined
  const linesOf = (view: TurnView.TurnView): ReadonlyArray<object> => {
    const known = new Map(before?.blocks.map((block) => [block.id, block]))
    const blocks = view.blocks
      .filter((block) => known.get(block.id) !== block)
      .map((block) => {
        const earlier = known.get(block.id)
        const isLonger =
          "text" in block && earlier !== undefined && "text" in earlier && block.text.startsWith(earlier.text)
        if (!isLonger) return { type: "block", ...block }
        const { text, ...rest } = block
        return { type: "block", ...rest, added: text.slice(earlier.text.length) }
      })
    const status = before?.status === view.status ? [] : [{ type: "status", ...ids, status: view.status }]
    before = view
    return [...status, ...blocks, ...(view.end === null ? [] : [resultOf(ids, view, view.end)])]
  }
  return { write: (view) => Effect.forEach(linesOf(view), (line) => printLine(jsonText(line)), { discard: true }) }
}

/** `page`: of a terminal, or undefined if standard output is none. */
export const writerFor = (format: Format, page: Transcript.Page | undefined, ids: Ids): AnswerWriter => {
  if (format === "json") return jsonResult(ids)
  if (format === "jsonl") return jsonLines(ids)
  return page === undefined ? answerText() : transcript(page)
}

export const writeId = ({ turnId }: Ids) => printLine(screen`${turnId}`)
