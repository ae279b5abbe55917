/** Prompts of all kinds, and the scripted model that answers them. */
import { Reply, type Script } from "@opencode-worker/testkit"

/**
 * `long`: an answer of 300 words. `permission`: a command that an operator allows. `stop`: an answer without an end. `large`: a
 * command with much output. `image`, `file`: an attachment. `slow`: a command that ends when `goFile` exists.
 */
const kinds = ["plain", "long", "permission", "stop", "large", "image", "file", "slow"] as const
export type Kind = (typeof kinds)[number]

export const textOf = (kind: Kind, id: string) => `${kind} ${id}`
export const lastWordsOf = (id: string) => `the end of ${id}.`
export const goFile = (id: string) => `go-${id}`
/** Of the attached file. */
export const contentOf = (id: string) => `content of ${id}\n`.repeat(50)

const commandOf = (kind: Kind, id: string): string | undefined => {
  if (kind === "permission") return "rm -f nothing"
  if (kind === "large") return `seq -f 'line %g of ${id}' 1000`
  if (kind === "slow") return `until [ -e ${goFile(id)} ]; do sleep 0.1; done; rm ${goFile(id)}`
  return undefined
}

const answerOf = (kind: Kind, id: string, isWhole: boolean): Reply.Streamed => {
  const end = isWhole ? lastWordsOf(id) : "The attachment is missing."
  if (kind === "stop") return Reply.sequence([Reply.text("so far"), Reply.hang])
  if (kind === "long") return Reply.text(`${"word after word ".repeat(100)}${end}`, { every: "20 millis" })
  return Reply.text(`${"an answer ".repeat(40)}${end}`)
}

/** OpenCode compacts long sessions, by the use that the model reports. */
const little = { promptTokens: 10, completionTokens: 10 }

/** `counts`: how often the model was asked for each part of a turn, by its prompt. */
export const mixedScript =
  (counts: Map<string, number>): Script =>
  ({ images, lastUserText, toolResults }) => {
    const [, word = "", id = ""] = /(\w+) (soak-\d+)/.exec(lastUserText) ?? []
    const kind = kinds.find((each) => each === word)
    if (kind === undefined) return Reply.status(400, { message: `No such prompt: ${lastUserText}` })
    const command = toolResults.length === 0 ? commandOf(kind, id) : undefined
    const part = `${command === undefined ? "answer to" : "command of"} ${id}`
    counts.set(part, (counts.get(part) ?? 0) + 1)
    if (command !== undefined) {
      return Reply.withUsage(Reply.toolCall("bash", { command, description: "the prompt" }), little)
    }
    const hasFile = kind !== "file" || lastUserText.includes(`content of ${id}`)
    const hasImage = kind !== "image" || images.length > 0
    return Reply.withUsage(answerOf(kind, id, hasFile && hasImage), little)
  }
