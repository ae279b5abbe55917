/** A prompt, what the model says to it, and what was seen of it from outside. */
import { Effect, Latch } from "effect"
import { type ChatRequest, Reply, type Script } from "@opencode-worker/testkit"
import type { Id } from "@opencode-worker/convex-backend/api"

/**
 * `text`: the model only speaks. `tool`: it runs a command that takes a moment. `blocked`: one that waits until it is
 * let go. `permission`: one that a person must allow. `compaction`: the context is full after its command, so OpenCode asks
 * for a summary in the middle of the turn. `retry`: the provider refuses at first, with a time to wait.
 */
export type Kind = "text" | "tool" | "blocked" | "permission" | "compaction" | "retry"

/** A request to the model, by its place in the turn. `earlier summary`: OpenCode takes up a compaction that was cut short. */
export type Asked = "refused" | "tool" | "summary" | "answer" | "earlier summary"

/** The requests that a turn consists of. */
export const asks: Readonly<Record<Kind, ReadonlyArray<Asked>>> = {
  text: ["answer"],
  tool: ["tool", "answer"],
  blocked: ["tool", "answer"],
  permission: ["tool", "answer"],
  compaction: ["tool", "summary", "answer"],
  retry: ["refused", "answer"]
}

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
  /** How often the model was asked. */
  readonly requests: ReadonlyMap<Asked, number>
  /** An earlier prompt of its session makes OpenCode compact, which this one takes up if that one is cut short. */
  readonly followsCompaction: boolean
  /** What the operator was shown while it ran. */
  readonly shown: { text: string; notices: string }
  /** The final states that the operator was shown: more than one is a fault. */
  readonly ends: ReadonlySet<string>
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

const runsTool = (id: string) => `echo ran >> ${traceOf(id)}; sleep 0.3`
const commands: Readonly<Record<Exclude<Kind, "text" | "retry">, (id: string) => string>> = {
  tool: runsTool,
  compaction: runsTool,
  blocked: (id) => `echo ran >> ${traceOf(id)}; cat ${fifoOf(id)}`,
  permission: (id) => `echo ran | tee -a ${traceOf(id)}`
}

/** The part of OpenCode's configuration that makes `permission` ask, and nothing else. */
export const permissions = { bash: { "*": "allow", "tee *": "ask" } }

/** What the model needs to know of a prompt. */
export type Plan = Omit<Prompt, "sessionId" | "turnId" | "requests" | "ends"> & {
  readonly requests: Map<Asked, number>
  readonly ends: Set<string>
}

export const makePlan = Effect.fnUntraced(function* (
  id: string,
  kind: Kind,
  {
    followsCompaction,
    length = { words: 0 }
  }: { readonly followsCompaction: boolean; readonly length?: Length | undefined }
) {
  const [begin, end, asked] = yield* Effect.all([Latch.make(), Latch.make(), Latch.make()])
  const seen = { requests: new Map(), shown: { text: "", notices: "" }, ends: new Set<string>() }
  return { id, kind, begin, end, asked, answer: answerOf(id, length), followsCompaction, ...seen } satisfies Plan
})

const open = ({ id }: Plan) => Reply.text(openingOf(id), { chunks: 1 })
const finish = ({ answer, end, id }: Plan) =>
  Reply.sequence([Reply.wait(end.await), Reply.text(answer.slice(openingOf(id).length), { every: "20 millis" })])

/** Tokens: all that OpenCode knows of the context, so nothing else makes it compact, however long an answer is. */
const little = { promptTokens: 900, completionTokens: 10 }
const full = { promptTokens: 99_000, completionTokens: 50 }

/** In the message of the refusal, which OpenCode shows while it waits. */
export const tooMany = "Too many requests"
/** Long enough to strike in it. The format counts whole seconds. */
const refusal = Reply.status(429, { retryAfter: "3 seconds", message: tooMany })

const callTool = (command: string) => Reply.toolCall("bash", { command, description: "Does what was asked" })

/** Requests that OpenCode makes for itself carry no prompt: they belong to the newest one that they mention. */
const newestPrompt = ({ messages }: ChatRequest) =>
  messages
    .filter(({ role }) => role !== "system")
    .flatMap(({ text }) => text.match(/\bprompt-\d+/g) ?? [])
    .at(-1)

const askedFor = ({ id, kind, requests }: Plan, { lastUserText, messages, toolResults }: ChatRequest): Asked => {
  const hasBegun = messages.some(({ text }) => text.includes(openingOf(id)))
  if (lastUserText.includes("<conversation>")) return kind === "compaction" && hasBegun ? "summary" : "earlier summary"
  switch (kind) {
    case "text":
      return "answer"
    case "retry":
      return requests.has("refused") ? "answer" : "refused"
    case "compaction":
      return hasBegun ? "answer" : "tool"
    default:
      return toolResults.length > 0 ? "answer" : "tool"
  }
}

const replyTo = (plan: Plan, asked: Exclude<Asked, "refused">): Reply.Streamed => {
  const { end, id, kind } = plan
  switch (asked) {
    case "earlier summary":
      return Reply.text(`What came before ${id}`)
    case "summary":
      // It holds the opening, by which the model knows in the next request that it has begun.
      return Reply.sequence([Reply.wait(end.await), Reply.text(`Summary: ${openingOf(id)}`)])
    case "answer":
      return kind === "compaction" ? finish(plan) : Reply.sequence([open(plan), finish(plan)])
    case "tool": {
      if (kind === "text" || kind === "retry") return Reply.hang
      const call = callTool(commands[kind](id))
      return kind === "compaction" ? Reply.withUsage(Reply.sequence([open(plan), call]), full) : call
    }
  }
}

/** The model: it answers the prompts that are planned, and counts what it is asked. */
export const script =
  (plans: ReadonlyMap<string, Plan>): Script =>
  (request) => {
    const plan = plans.get(newestPrompt(request) ?? "")
    if (plan === undefined) return Reply.status(400, { message: `No such prompt: ${request.lastUserText}` })
    const asked = askedFor(plan, request)
    plan.requests.set(asked, (plan.requests.get(asked) ?? 0) + 1)
    plan.asked.openUnsafe()
    if (asked === "refused") return refusal
    const { usage = little, ...reply } = replyTo(plan, asked)
    return Reply.withUsage(Reply.sequence([Reply.wait(plan.begin.await), reply]), usage)
  }
