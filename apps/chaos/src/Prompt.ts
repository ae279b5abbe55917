/** A prompt, the model's answer to it, and its observations from outside. */
import { Effect, Latch } from "effect"
import { type ChatRequest, Reply, type Script } from "@opencode-worker/testkit"
import type { Id } from "@opencode-worker/convex-backend/api"

/**
 * `text`: the model answers with text only. `tool`: it runs a short command. `blocked`: a command that waits for a release.
 * `permission`: a command that an operator must allow. `compaction`: the context is full after the command, so OpenCode
 * requests a summary in the middle of the turn. `retry`: the provider refuses the first request, with a time to wait.
 * `writes`: a command writes files.
 */
export type Kind = "text" | "tool" | "blocked" | "permission" | "compaction" | "retry" | "writes"

/** A request to the model, by its place in the turn. `earlier summary`: OpenCode resumes an interrupted compaction. */
export type Asked = "refused" | "tool" | "summary" | "answer" | "earlier summary"

/** The requests of a turn. */
export const asks: Readonly<Record<Kind, ReadonlyArray<Asked>>> = {
  text: ["answer"],
  tool: ["tool", "answer"],
  blocked: ["tool", "answer"],
  permission: ["tool", "answer"],
  compaction: ["tool", "summary", "answer"],
  retry: ["refused", "answer"],
  writes: ["tool", "answer"]
}

export interface Prompt {
  /** Part of the prompt's text, by which the model identifies the prompt. */
  readonly id: string
  readonly kind: Kind
  readonly sessionId: Id<"sessions">
  readonly turnId: Id<"turns">
  /** The model begins and ends its answer when these are open. */
  readonly begin: Latch.Latch
  readonly end: Latch.Latch
  /** Opens with the first request to the model. */
  readonly asked: Latch.Latch
  /** The model's whole answer. */
  readonly answer: string
  /** Number of requests to the model. */
  readonly requests: ReadonlyMap<Asked, number>
  /** The answer to the prompt that steers its session, if one does. OpenCode may give both prompts to the model at once. */
  readonly steer: { answer: string }
  /** A file is attached. */
  readonly hasFile: boolean
  /** Mistakes with attached files in the requests for this prompt. */
  readonly fileMistakes: ReadonlySet<string>
  /** An earlier prompt of the session makes OpenCode compact. If that is interrupted, this prompt resumes the compaction. */
  readonly followsCompaction: boolean
  /** Text that the operator received while it ran. */
  readonly shown: { text: string; notices: string }
  /** The final states that the operator received. More than one is a fault. */
  readonly ends: ReadonlySet<string>
}

export const openingOf = (id: string) => `Opening of ${id}. `

/** Length of an answer between its opening and its end. */
export interface Length {
  /** Each takes the model 20 ms. */
  readonly words: number
  /** Extra characters of each word. */
  readonly padding?: number
}

const answerOf = (id: string, { padding = 0, words }: Length) => {
  const middle = Array.from({ length: words }, (_, at) => `word${at}${"-".repeat(padding)} `)
  return `${openingOf(id)}${middle.join("")}End of ${id}.`
}

/** The file to which each run of a prompt's command appends a line. */
export const traceOf = (id: string) => `ran-${id}`
export const fifoOf = (id: string) => `fifo-${id}`
/** The names of files that are no part of a turn's changes. */
export const ignoredFiles = "ran-*\nfifo-*\n"
/** The files that a `writes` prompt writes. */
export const filesOf = (id: string) => ["one", "two", "three", "four"].map((name) => `${name}-${id}`)
/** The content of an attached file. */
export const fileOf = (id: string) => `file-of-${id}`

const runsTool = (id: string) => `echo ran >> ${traceOf(id)}; sleep 0.3`
const commands: Readonly<Record<Exclude<Kind, "text" | "retry">, (id: string) => string>> = {
  tool: runsTool,
  compaction: runsTool,
  blocked: (id) => `echo ran >> ${traceOf(id)}; cat ${fifoOf(id)}`,
  permission: (id) => `echo ran | tee -a ${traceOf(id)}`,
  writes: (id) => `${runsTool(id)}; for name in ${filesOf(id).join(" ")}; do echo ${id} > $name; done`
}

/** OpenCode's permissions: only the command of `permission` is asked. */
export const permissions = { bash: { "*": "allow", "tee *": "ask" } }

/** The part of a prompt that the model uses. */
export type Plan = Omit<Prompt, "sessionId" | "turnId" | "requests" | "ends" | "fileMistakes"> & {
  readonly requests: Map<Asked, number>
  readonly fileMistakes: Set<string>
  readonly ends: Set<string>
}

export const makePlan = Effect.fnUntraced(function* (
  id: string,
  kind: Kind,
  {
    followsCompaction,
    hasFile,
    length = { words: 0 }
  }: { readonly followsCompaction: boolean; readonly hasFile: boolean; readonly length?: Length | undefined }
) {
  const [begin, end, asked] = yield* Effect.all([Latch.make(), Latch.make(), Latch.make()])
  const seen = {
    requests: new Map(),
    fileMistakes: new Set<string>(),
    steer: { answer: "" },
    shown: { text: "", notices: "" },
    ends: new Set<string>()
  }
  return {
    id,
    kind,
    begin,
    end,
    asked,
    answer: answerOf(id, length),
    followsCompaction,
    hasFile,
    ...seen
  } satisfies Plan
})

const open = ({ id }: Plan) => Reply.text(openingOf(id), { chunks: 1 })
const finish = ({ answer, end, id }: Plan) =>
  Reply.sequence([Reply.wait(end.await), Reply.text(answer.slice(openingOf(id).length), { every: "20 millis" })])

/** Tokens. OpenCode decides about compaction by these counts only, not by the length of an answer. */
const little = { promptTokens: 900, completionTokens: 10 }
const full = { promptTokens: 99_000, completionTokens: 50 }

/** Part of the refusal's message, which OpenCode shows while it waits. */
export const tooMany = "Too many requests"
/** Long enough for a strike. The format counts whole seconds. */
const refusal = Reply.status(429, { retryAfter: "3 seconds", message: tooMany })

const callTool = (command: string) => Reply.toolCall("bash", { command, description: "Does what was asked" })

const promptsIn = (text: string) => [...text.matchAll(/\bprompt-(\d+)/g)].map(([, number]) => Number(number))

/**
 * The prompt in the last message of a person, which may be older than one that steered. OpenCode's internal requests contain
 * no prompt: they belong to the newest one that they mention, because the request for a second summary ends with the first.
 */
const promptOf = ({ lastUserText, messages }: ChatRequest) => {
  const own = lastUserText.includes("<conversation>") ? [] : promptsIn(lastUserText)
  const mentioned = messages.filter(({ role }) => role !== "system").flatMap(({ text }) => promptsIn(text))
  return `prompt-${own.at(0) ?? Math.max(...mentioned)}`
}

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
      return Reply.text(`Summary of everything before ${id}`)
    case "summary":
      // The opening shows the model in the next request that its answer has begun.
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

/** A file is in the message of its own prompt, and in no other one. */
const mistakesOf = ({ followsCompaction, hasFile, id }: Plan, { messages }: ChatRequest): ReadonlyArray<string> => {
  const users = messages.filter(({ role }) => role === "user")
  const found = users.flatMap(({ text }) =>
    [...new Set(text.match(/file-of-prompt-\d+/g))].map((file) => ({ file, text }))
  )
  const strangers = found.filter(({ file, text }) => {
    const ids = text.replaceAll(/file-of-prompt-\d+/g, "").match(/\bprompt-\d+/g)
    return !ids?.includes(file.replace("file-of-", ""))
  })
  const own = found.filter(({ file }) => file === fileOf(id)).length
  const isMissing = hasFile && !followsCompaction && own === 0
  return [
    ...(isMissing ? ["its file is not in a request"] : []),
    ...(own > 1 ? [`its file is in ${own} messages`] : []),
    ...strangers.map(({ file }) => `${file} is in the message of another prompt`)
  ]
}

/** The model: it answers planned prompts and counts requests. */
export const script =
  (plans: ReadonlyMap<string, Plan>): Script =>
  (request) => {
    const plan = plans.get(promptOf(request))
    if (plan === undefined) return Reply.status(400, { message: `No such prompt: ${request.lastUserText}` })
    const asked = askedFor(plan, request)
    plan.requests.set(asked, (plan.requests.get(asked) ?? 0) + 1)
    plan.asked.openUnsafe()
    for (const mistake of mistakesOf(plan, request)) plan.fileMistakes.add(`${asked}: ${mistake}`)
    if (asked === "refused") return refusal
    const { usage = little, ...reply } = replyTo(plan, asked)
    return Reply.withUsage(Reply.sequence([Reply.wait(plan.begin.await), reply]), usage)
  }
