/** An agent that answers a prompt with one request to an OpenAI-compatible endpoint. It keeps no sessions and no records. */
import { randomUUID } from "node:crypto"
import { Agent, type AgentEvent, type AgentSession, type Prompt } from "@opencode-worker/convex-sync"
import { Effect, Layer, Schema, Semaphore, Stream } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"

const Chunk = Schema.fromJsonString(
  Schema.Struct({
    choices: Schema.Array(Schema.Struct({ delta: Schema.Struct({ content: Schema.optional(Schema.String) }) }))
  })
)

/** The text of a chat completion, as it is streamed. */
const complete = (baseUrl: string, model: string, text: string) =>
  HttpClientRequest.post(`${baseUrl}/chat/completions`).pipe(
    HttpClientRequest.bodyJsonUnsafe({ model, stream: true, messages: [{ role: "user", content: text }] }),
    HttpClient.execute,
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    HttpClientResponse.stream,
    Stream.decodeText(),
    Stream.splitLines,
    Stream.filter((line) => line.startsWith("data: {")),
    Stream.mapEffect((line) => Schema.decodeEffect(Chunk)(line.slice("data: ".length))),
    Stream.map(({ choices }) => choices[0]?.delta.content ?? "")
  )

export const echoAgent = (
  baseUrl: string,
  model: string,
  capacity = 4
): Layer.Layer<Agent, never, HttpClient.HttpClient> =>
  Layer.effect(
    Agent,
    Effect.gen(function* () {
      const http = yield* HttpClient.HttpClient
      const places = yield* Semaphore.make(capacity)
      const run = ({ partId, text: prompt }: Prompt): Stream.Stream<AgentEvent> => {
        let text = ""
        const ended = (outcome: "completed" | "failed", error?: { name: string; message: string }): AgentEvent => {
          const parts = [{ index: 0, kind: "text", payload: JSON.stringify({ id: partId, text }) }]
          return { _tag: "Ended", outcome, error, parts: () => parts }
        }
        const deltas = complete(baseUrl, model, prompt).pipe(
          Stream.provideService(HttpClient.HttpClient, http),
          Stream.map((delta): AgentEvent => {
            text += delta
            return { _tag: "TextDelta", partId, kind: "text", text: delta }
          }),
          Stream.concat(Stream.suspend(() => Stream.succeed(ended("completed")))),
          Stream.catch(({ _tag, message }) => Stream.succeed(ended("failed", { name: _tag, message })))
        )
        // Before the request: it may cost money, so it is never sent twice.
        return Stream.concat(Stream.succeed<AgentEvent>({ _tag: "Delivered" }), deltas)
      }
      const session: AgentSession = { id: Effect.succeed(null), run, abort: Effect.void }
      return Agent.of({
        promptIds: Effect.sync(() => ({ messageId: randomUUID(), partId: randomUUID() })),
        use: (_conversation, f) => places.withPermit(f(session)),
        record: () => Effect.succeed({ state: { _tag: "Absent" }, parts: () => [] }),
        sessions: { events: Stream.never, list: () => Effect.succeed([]) }
      })
    })
  )
