/** A prompt, what the model says to it, and what was seen of it from outside. */
import { Effect, Latch } from "effect"
import { Reply, type Script } from "@opencode-worker/testkit"
import type { Id } from "@opencode-worker/convex-backend/api"

/**
 * `text`: the model only speaks. `tool`: it runs a command that takes a moment. `blocked`: one that waits until it is
 * let go. `permission`: one that a person must allow.
 */
export type Kind = "text" | "tool" | "blocked" | "permission"

export interface Prompt {
  /** In the prompt's text, so that the model knows which one it answers. */
  readonly id: string
  readonly kind: Kind
  readonly sessionId: Id<"sessions">
  readonly turnId: Id<"turns">
  /** The model begins its answer, and ends it, when these are open. */
  readonly begin: Latch.Latch
  readonly end: Latch.Latch
  /** Open once the model was asked. */
  readonly asked: Latch.Latch
  /** What the model says in all. */
  readonly answer: string
  /** How often the model was asked, by the number of tool results that it was shown. */
  readonly requests: ReadonlyMap<number, number>
  /** What the operator was shown while it ran. */
  readonly shown: { text: string }
}

export const openingOf = (id: string) => `Opening of ${id}. `

/** How long an answer is, besides its beginning and its end. */
export interface Length {
  /** Each takes the model 20 ms. */
  readonly words: number
  /** Characters that each is longer. */
  readonly padding?: number
}

const answerOf = (id: string, { padding = 0, words }: Length) => {
  const middle = Array.from({ length: words }, (_, at) => `word${at}${"-".repeat(padding)} `)
  return `${openingOf(id)}${middle.join("")}End of ${id}.`
}

/** The file to which the command of a prompt adds a line each time that it runs. */
export const traceOf = (id: string) => `ran-${id}`
export const fifoOf = (id: string) => `fifo-${id}`

const commands: Readonly<Record<Exclude<Kind, "text">, (id: string) => string>> = {
  tool: (id) => `echo ran >> ${traceOf(id)}; sleep 0.3`,
  blocked: (id) => `echo ran >> ${traceOf(id)}; cat ${fifoOf(id)}`,
  permission: (id) => `echo ran | tee -a ${traceOf(id)}`
}

/** The part of OpenCode's configuration that makes `permission` ask, and nothing else. */
export const permissions = { bash: { "*": "allow", "tee *": "ask" } }

/** What the model needs to know of a prompt. */
export type Plan = Omit<Prompt, "sessionId" | "turnId" | "requests"> & { readonly requests: Map<number, number> }

export const makePlan = Effect.fnUntraced(function* (id: string, kind: Kind, length: Length = { words: 0 }) {
  const [begin, end, asked] = yield* Effect.all([Latch.make(), Latch.make(), Latch.make()])
  const answer = answerOf(id, length)
  return { id, kind, begin, end, asked, answer, requests: new Map(), shown: { text: "" } } satisfies Plan
})

const speak = ({ answer, end, id }: Plan) =>
  Reply.sequence([
    Reply.text(openingOf(id), { chunks: 1 }),
    Reply.wait(end.await),
    Reply.text(answer.slice(openingOf(id).length), { every: "20 millis" })
  ])

const callTool = (command: string) => Reply.toolCall("bash", { command, description: "Does what was asked" })

/** The model: it answers the prompts that are planned, and counts what it is asked. */
export const script =
  (plans: ReadonlyMap<string, Plan>): Script =>
  ({ lastUserText, toolResults }) => {
    const plan = plans.get(lastUserText)
    if (plan === undefined) return Reply.status(400, { message: `No such prompt: ${lastUserText}` })
    const step = toolResults.length
    plan.requests.set(step, (plan.requests.get(step) ?? 0) + 1)
    plan.asked.openUnsafe()
    const first = plan.kind === "text" || step > 0 ? speak(plan) : callTool(commands[plan.kind](plan.id))
    return Reply.sequence([Reply.wait(plan.begin.await), first])
  }
