/** Sends a `Reply` as an HTTP response in the chat-completions format, streaming or not. */
import type { ServerResponse } from "node:http"
import { Duration, Effect } from "effect"
import type { ChatRequest } from "../ChatRequest.ts"
import { type Reply, type Status, Step, type Streamed, type Usage } from "../Reply.ts"

/** The part of the assistant's message in one piece. */
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

/** Responds with one JSON document. */
export const json = (response: ServerResponse, status: number, body: unknown): Effect.Effect<void> =>
  Effect.sync(() => {
    response.writeHead(status, { "content-type": "application/json" })
    response.end(JSON.stringify(body))
  })

/** Responds in the error format of the API. */
export const error = (response: ServerResponse, reply: Status): Effect.Effect<void> => {
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

/** Runs a step. `emit` sends its part of the answer. */
const playStep = (
  step: Step,
  response: ServerResponse,
  call: { readonly id: string; readonly index: number },
  emit: (delta: Delta) => Effect.Effect<void>
): Effect.Effect<void> => {
  return Step.$match(step, {
    Text: ({ every, pieces }) => speak(pieces, every, (content) => emit({ content })),
    Reasoning: ({ every, pieces }) => speak(pieces, every, (piece) => emit({ reasoning_content: piece })),
    ToolCall: ({ args, id = call.id, name }) =>
      emit({
        tool_calls: [{ ...call, id, type: "function", function: { name, arguments: JSON.stringify(args) } }]
      }),
    Wait: ({ until }) => Effect.asVoid(until),
    Drop: () =>
      Effect.andThen(
        Effect.sync(() => response.destroy()),
        Effect.interrupt
      ),
    Hang: () => Effect.never
  })
}

const speak = (
  pieces: ReadonlyArray<string>,
  every: Duration.Duration,
  emit: (piece: string) => Effect.Effect<void>
): Effect.Effect<void> =>
  Effect.forEach(pieces, (piece, index) => (index === 0 ? emit(piece) : Effect.delay(emit(piece), every)), {
    discard: true
  })

const stream = Effect.fnUntraced(function* (response: ServerResponse, request: ChatRequest, reply: Streamed) {
  const id = `scripted-${request.kind}-${request.ordinal}`
  const deltas: Array<Delta> = []
  const finish = reply.finish ?? (reply.steps.some(Step.$is("ToolCall")) ? "tool_calls" : "stop")
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
    const index = Step.$is("ToolCall")(step) ? calls++ : 0
    yield* playStep(step, response, { id: `call_${request.ordinal}_${index}`, index }, emit)
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

/** Sends the whole reply. Interruption leaves the response as it is. */
export const play = (response: ServerResponse, request: ChatRequest, reply: Reply): Effect.Effect<void> =>
  "status" in reply ? error(response, reply) : stream(response, request, reply)
