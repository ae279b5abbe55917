/** Plays a `Reply` onto an HTTP response in the chat-completions format, streaming or not. */
import type { ServerResponse } from "node:http"
import { Duration, Effect } from "effect"
import type { ChatRequest } from "../ChatRequest.ts"
import type { Reply, Status, Step, Streamed, Usage } from "../Reply.ts"

/** What one piece adds to the assistant's message. */
interface Delta {
  readonly content?: string
  readonly reasoning_content?: string
  readonly tool_calls?: ReadonlyArray<{
    readonly index: number
    readonly id: string
    readonly type: "function"
    readonly function: { readonly name: string; readonly arguments: string }
  }>
}

/** Succeeds once the bytes were handed to the socket, so that a later `destroy` cannot lose them. */
const write = (response: ServerResponse, data: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    response.write(data, () => resume(Effect.void))
  })

/** Answers with one JSON document. */
export const json = (response: ServerResponse, status: number, body: unknown): Effect.Effect<void> =>
  Effect.sync(() => {
    response.writeHead(status, { "content-type": "application/json" })
    response.end(JSON.stringify(body))
  })

/** Answers in the error format of the API. */
export const error = (response: ServerResponse, reply: Omit<Status, "_tag">): Effect.Effect<void> => {
  if (reply.retryAfter !== undefined) {
    response.setHeader("retry-after", Math.ceil(Duration.toSeconds(reply.retryAfter)))
  }
  return json(response, reply.status, {
    error: { message: reply.message, type: "scripted", code: reply.status }
  })
}

const estimate = (request: ChatRequest, deltas: ReadonlyArray<Delta>): Usage => ({
  promptTokens: tokens(request.messages.map((message) => message.text).join("")),
  completionTokens: tokens(deltas.map((delta) => (delta.content ?? "") + (delta.reasoning_content ?? "")).join(""))
})
const tokens = (text: string): number => Math.ceil(text.length / 4)

const stepEffect = Effect.fnUntraced(function* (
  step: Step,
  response: ServerResponse,
  call: { readonly id: string; readonly index: number },
  emit: (delta: Delta) => Effect.Effect<void>
) {
  switch (step._tag) {
    case "Text":
    case "Reasoning": {
      const key = step._tag === "Text" ? "content" : "reasoning_content"
      for (const [index, piece] of step.pieces.entries()) {
        if (index > 0 && Duration.toMillis(step.every) > 0) yield* Effect.sleep(step.every)
        yield* emit({ [key]: piece })
      }
      return
    }
    case "ToolCall": {
      const { args, name } = step
      return yield* emit({
        tool_calls: [{ ...call, type: "function", function: { name, arguments: JSON.stringify(args) } }]
      })
    }
    case "Wait":
      return yield* Effect.asVoid(step.until)
    case "Drop":
      response.destroy()
      return yield* Effect.interrupt
    case "Hang":
      return yield* Effect.never
  }
})

const stream = Effect.fnUntraced(function* (response: ServerResponse, request: ChatRequest, reply: Streamed) {
  const id = `scripted-${request.kind}-${request.ordinal}`
  const deltas: Array<Delta> = []
  const finish = reply.finish ?? (reply.steps.some(({ _tag }) => _tag === "ToolCall") ? "tool_calls" : "stop")
  const usage = () => {
    const counted = reply.usage ?? estimate(request, deltas)
    return {
      prompt_tokens: counted.promptTokens,
      completion_tokens: counted.completionTokens,
      total_tokens: counted.promptTokens + counted.completionTokens
    }
  }
  const frame = (fields: object) =>
    write(
      response,
      `data: ${JSON.stringify({ id, object: "chat.completion.chunk", created: 0, model: request.model, ...fields })}\n\n`
    )
  const emit = (delta: Delta) => {
    const first = deltas.push(delta) === 1
    if (!request.stream) return Effect.void
    if (first) response.writeHead(200, { "content-type": "text/event-stream" })
    return frame({
      choices: [{ index: 0, delta: first ? { role: "assistant", ...delta } : delta, finish_reason: null }]
    })
  }

  let calls = 0
  for (const step of reply.steps) {
    const index = step._tag === "ToolCall" ? calls++ : 0
    yield* stepEffect(step, response, { id: `call_${request.ordinal}_${index}`, index }, emit)
  }
  if (deltas.length === 0) yield* emit({ content: "" })

  if (request.stream) {
    yield* frame({ choices: [{ index: 0, delta: {}, finish_reason: finish }] })
    yield* frame({ choices: [], usage: usage() })
    response.end("data: [DONE]\n\n")
    return
  }
  const joined = (key: "content" | "reasoning_content") => deltas.map((delta) => delta[key] ?? "").join("")
  const toolCalls = deltas.flatMap((delta) => delta.tool_calls ?? [])
  const message = {
    role: "assistant",
    content: joined("content"),
    ...(joined("reasoning_content") === "" ? {} : { reasoning_content: joined("reasoning_content") }),
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls })
  }
  yield* json(response, 200, {
    id,
    object: "chat.completion",
    created: 0,
    model: request.model,
    choices: [{ index: 0, message, finish_reason: finish }],
    usage: usage()
  })
})

/** Plays the whole reply. Interrupting it leaves the response as it is. */
export const play = (response: ServerResponse, request: ChatRequest, reply: Reply): Effect.Effect<void> =>
  reply._tag === "Status" ? error(response, reply) : stream(response, request, reply)
