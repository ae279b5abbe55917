/**
 * Notices about a turn that its answer does not contain.
 */
import type { AssistantWithParts } from "./OpenCodeClient.ts"
import { visibleParts } from "./Turn.ts"

/**
 * `Compacted` stands for a summary, in its place among the messages. The others are about the end of a completed turn:
 * its answer is not whole.
 */
export interface TurnNotice {
  readonly name: "Compacted" | "OutputLimit" | "EmptyAnswer" | "TakenOver"
  readonly text: string
}

export const compacted: TurnNotice = {
  name: "Compacted",
  text: "OpenCode compacted the conversation: the model goes on with a summary of what came before."
}

export const takenOver: TurnNotice = { name: "TakenOver", text: "The next prompt took over from here." }

const outputLimit: TurnNotice = {
  name: "OutputLimit",
  text: "The model reached its output limit: the answer is cut off."
}
const emptyAnswer: TurnNotice = { name: "EmptyAnswer", text: "The model ended without an answer." }

/**
 * Why the answer of a completed turn is not whole; none: it is.
 */
export const endNotices = (assistants: ReadonlyArray<AssistantWithParts>): ReadonlyArray<TurnNotice> => {
  const answers = assistants.filter(({ info }) => info.summary !== true)
  if (answers.at(-1)?.info.finish === "length") return [outputLimit]
  const hasText = answers.some((answer) =>
    visibleParts(answer).some((part) => part.type === "text" && part.text.trim() !== "")
  )
  return hasText ? [] : [emptyAnswer]
}
