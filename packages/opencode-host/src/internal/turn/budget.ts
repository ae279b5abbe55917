/** The budget of a turn, compared with the steps of its model and of its sub-agents as they end. */
import * as Effect from "effect/Effect"
import type { HostError } from "../../HostError.ts"
import type { AssistantMessage, OpenCodeClient, OpenCodeEvent, PromptInput, TurnBudget } from "../../OpenCodeClient.ts"
import { agentMessages } from "./agentUsage.ts"
import { turnInRecord } from "./record.ts"
import type { sessionTree } from "./requests.ts"

const tokensOf = ({ tokens: { cache, input, output, reasoning } }: AssistantMessage) =>
  input + output + reasoning + cache.write

/** `since`: epoch ms of the start of the turn. */
export const budgetTracker = (
  client: OpenCodeClient,
  prompt: PromptInput,
  budget: TurnBudget | undefined,
  tree: ReturnType<typeof sessionTree>,
  since: number
) => {
  /** By message: an event repeats it with more. */
  const steps = new Map<string, AssistantMessage>()

  const exceeded = (): string | undefined => {
    const all = [...steps.values()]
    const cost = all.reduce((sum, step) => sum + step.cost, 0)
    const tokens = all.reduce((sum, step) => sum + tokensOf(step), 0)
    if (budget?.cost !== undefined && cost > budget.cost) {
      return `The turn has cost ${cost.toFixed(4)} USD, and its budget is ${budget.cost} USD`
    }
    return budget?.tokens !== undefined && tokens > budget.tokens
      ? `The turn has used ${tokens} tokens, and its budget is ${budget.tokens} tokens`
      : undefined
  }

  const onEvent = Effect.fnUntraced(function* (event: OpenCodeEvent) {
    if (budget === undefined || event.type !== "message.updated") return undefined
    const { info } = event.properties
    if (info.role !== "assistant" || info.time.created < since) return undefined
    if (!(yield* tree.includes(info.sessionID))) return undefined
    steps.set(info.id, info)
    // The last step of a turn ends it anyway.
    const isLast = info.sessionID === prompt.sessionId && info.finish !== undefined && info.finish !== "tool-calls"
    return isLast ? undefined : exceeded()
  })

  return {
    /** The reason why the turn must stop, if there is one. */
    read: (event: OpenCodeEvent): Effect.Effect<string | undefined, HostError> => onEvent(event),
    /** After a gap in the events: all steps so far, from the record. */
    reread: Effect.gen(function* () {
      if (budget === undefined) return undefined
      const { messages } = yield* turnInRecord(client, prompt)
      for (const { info } of [...messages, ...(yield* agentMessages(client, messages))]) steps.set(info.id, info)
      return exceeded()
    })
  }
}
