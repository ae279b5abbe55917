/**
 * The next engine's events in the shape of the classic ones, which is that of the port.
 *
 * ```
 * session.next.prompted                     → session.status busy
 * session.next.step.started / ended         → message.updated (whose parent is the newest prompt)
 * session.next.text|reasoning.started …     → message.part.updated, message.part.delta
 * session.next.tool.…                       → message.part.updated
 * session.next.step.ended, failed           → … and session.idle, once the session is no longer active
 * permission.v2.…, question.v2.…            → permission.…, question.…
 * ```
 *
 * The engine says nothing when a session becomes idle, so after each step it is asked, until it is or goes on.
 */
import { Effect, FiberMap, Predicate, Schedule, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import type { OpenCodeEvent, Part, ToolPart } from "../OpenCodeClient.ts"
import { type Access, activeSessions, get } from "./instance.ts"
import { permissionOf } from "./next.ts"
import { assistantInfo, outputOf, partId } from "./nextMessages.ts"

type Of<Type extends OpenCodeEvent["type"]> = Extract<OpenCodeEvent, { readonly type: Type }>["properties"]
type StepRef = { readonly sessionID: string; readonly assistantMessageID: string }
type CallRef = StepRef & { readonly callID: string; readonly timestamp: number }

/** A session that works. */
interface Live {
  /** What its next steps answer. */
  readonly prompt: string
  readonly steps: Map<string, Of<"session.next.step.started">>
  readonly calls: Map<
    string,
    { readonly tool: string; readonly input: Record<string, unknown>; readonly start: number }
  >
}

const Envelope = Schema.Struct({
  id: Schema.String,
  type: Schema.String,
  data: Schema.Record(Schema.String, Schema.Unknown),
  location: Schema.optionalKey(Schema.Struct({ directory: Schema.String }))
})
const decodeEnvelope = Schema.decodeUnknownOption(Envelope)

/** The event of this directory in the form of the SDK's types, untranslated. */
export const readNext = (input: unknown, directory: string): OpenCodeEvent | undefined => {
  const envelope = decodeEnvelope(input)
  if (envelope._tag === "None") return undefined
  const { data, id, location, type } = envelope.value
  if (location !== undefined && location.directory !== directory) return undefined
  const event: unknown = { id, type, properties: data }
  return isEvent(event) ? event : undefined
}

/** The payloads are OpenCode's own, typed by its SDK; only the envelope is checked. */
export const isEvent = (input: unknown): input is OpenCodeEvent =>
  Predicate.hasProperty(input, "type") &&
  Predicate.isString(input.type) &&
  Predicate.hasProperty(input, "properties") &&
  Predicate.isObject(input.properties)

const idlePoll = Schedule.spaced("50 millis")
const Messages = Schema.Struct({ data: Schema.Array(Schema.Struct({ id: Schema.String, type: Schema.String })) })

export const translateNext = Effect.fnUntraced(function* (options: {
  readonly access: Access
  readonly directory: string
  readonly publish: (event: OpenCodeEvent) => Effect.Effect<void>
}) {
  const { access, directory, publish } = options
  const context = yield* Effect.context<HttpClient.HttpClient>()
  const live = new Map<string, Live>()
  const watches = yield* FiberMap.make<string>()

  /** The newest prompt, for a session whose prompt was missed. */
  const newestPrompt = (sessionID: string) =>
    HttpClient.execute(
      get(access, `/api/session/${encodeURIComponent(sessionID)}/message`).pipe(
        HttpClientRequest.setUrlParams({ order: "desc", limit: "100" })
      )
    ).pipe(
      Effect.flatMap(HttpClientResponse.schemaBodyJson(Messages)),
      Effect.map(({ data }) => data.find(({ type }) => type === "user")?.id ?? ""),
      Effect.orElseSucceed(() => ""),
      Effect.provide(context)
    )

  const begin = (sessionID: string, prompt: string): Live => {
    const begun = { prompt, steps: new Map(), calls: new Map() }
    live.set(sessionID, begun)
    return begun
  }

  const liveOf = (sessionID: string): Effect.Effect<Live> => {
    const known = live.get(sessionID)
    return known === undefined
      ? Effect.map(newestPrompt(sessionID), (prompt) => begin(sessionID, prompt))
      : Effect.succeed(known)
  }

  /** Tells that a session is idle, once it is. A new step ends the watch. */
  const watchIdle = (id: string, sessionID: string) =>
    FiberMap.run(
      watches,
      sessionID,
      activeSessions(access).pipe(
        Effect.map((active) => sessionID in active),
        Effect.orElseSucceed(() => true),
        Effect.repeat({ while: (active) => active, schedule: idlePoll }),
        Effect.andThen(Effect.sync(() => live.delete(sessionID))),
        Effect.andThen(publish({ id, type: "session.status", properties: { sessionID, status: { type: "idle" } } })),
        Effect.andThen(publish({ id, type: "session.idle", properties: { sessionID } })),
        Effect.provide(context)
      )
    )

  return Effect.fnUntraced(function* (event: OpenCodeEvent): Effect.fn.Return<ReadonlyArray<OpenCodeEvent>> {
    const { id } = event
    const part = (made: Part): ReadonlyArray<OpenCodeEvent> => [
      { id, type: "message.part.updated", properties: { sessionID: made.sessionID, part: made, time: 0 } }
    ]
    const text = (type: "text" | "reasoning", { assistantMessageID, sessionID }: StepRef, of: string, content = "") => {
      const made = { id: partId(assistantMessageID, of), sessionID, messageID: assistantMessageID, text: content }
      return part(type === "text" ? { ...made, type } : { ...made, type, time: { start: 0 } })
    }
    const delta = (
      { assistantMessageID, sessionID }: StepRef,
      of: string,
      added: string
    ): ReadonlyArray<OpenCodeEvent> => {
      const properties = {
        sessionID,
        messageID: assistantMessageID,
        partID: partId(assistantMessageID, of),
        field: "text",
        delta: added
      }
      return [{ id, type: "message.part.delta", properties }]
    }
    const call = Effect.fnUntraced(function* (
      ref: CallRef,
      stateOf: (known: { readonly input: Record<string, unknown>; readonly start: number }) => ToolPart["state"]
    ) {
      const known = (yield* liveOf(ref.sessionID)).calls.get(partId(ref.assistantMessageID, ref.callID))
      // Its beginning was missed: the record has it.
      if (known === undefined) return []
      const { assistantMessageID: messageID, callID, sessionID } = ref
      const own = { id: partId(messageID, callID), sessionID, messageID, type: "tool", callID } as const
      return part({ ...own, tool: known.tool, state: stateOf(known) })
    })
    const learn = Effect.fnUntraced(function* (ref: CallRef, tool: string, input: Record<string, unknown>) {
      const key = partId(ref.assistantMessageID, ref.callID)
      ;(yield* liveOf(ref.sessionID)).calls.set(key, { tool, input, start: ref.timestamp })
    })

    switch (event.type) {
      case "server.connected":
        live.clear()
        return [event]
      case "session.next.prompted": {
        const { messageID, sessionID } = event.properties
        begin(sessionID, messageID)
        return [{ id, type: "session.status", properties: { sessionID, status: { type: "busy" } } }]
      }
      case "session.next.step.started": {
        const { agent, assistantMessageID, model, sessionID, timestamp } = event.properties
        yield* FiberMap.remove(watches, sessionID)
        const { prompt, steps } = yield* liveOf(sessionID)
        steps.set(assistantMessageID, event.properties)
        const message = { id: assistantMessageID, agent, model, time: { created: timestamp } }
        const info = assistantInfo(message, { sessionID, directory, parentID: prompt })
        return [{ id, type: "message.updated", properties: { sessionID, info } }]
      }
      case "session.next.step.ended":
      case "session.next.step.failed": {
        const { assistantMessageID, sessionID, timestamp, ...result } = event.properties
        const { prompt, steps } = yield* liveOf(sessionID)
        const started = steps.get(assistantMessageID)
        yield* watchIdle(id, sessionID)
        if (started === undefined) return []
        const time = { created: started.timestamp, completed: timestamp }
        const { agent, model } = started
        const message = { id: assistantMessageID, agent, model, time, ...pick(result) }
        const info = assistantInfo(message, { sessionID, directory, parentID: prompt })
        return [{ id, type: "message.updated", properties: { sessionID, info } }]
      }
      case "session.next.text.started":
        return text("text", event.properties, event.properties.textID)
      case "session.next.text.delta":
        return delta(event.properties, event.properties.textID, event.properties.delta)
      case "session.next.text.ended":
        return text("text", event.properties, event.properties.textID, event.properties.text)
      case "session.next.reasoning.started":
        return text("reasoning", event.properties, event.properties.reasoningID)
      case "session.next.reasoning.delta":
        return delta(event.properties, event.properties.reasoningID, event.properties.delta)
      case "session.next.reasoning.ended":
        return text("reasoning", event.properties, event.properties.reasoningID, event.properties.text)
      case "session.next.tool.input.started":
        yield* learn(event.properties, event.properties.name, {})
        return yield* call(event.properties, () => ({ status: "pending", input: {}, raw: "" }))
      case "session.next.tool.called":
        yield* learn(event.properties, event.properties.tool, event.properties.input)
        return yield* call(event.properties, ({ input, start }) => ({ status: "running", input, time: { start } }))
      case "session.next.tool.success": {
        const { content, structured, timestamp: end } = event.properties
        return yield* call(event.properties, ({ input, start }) => ({
          status: "completed",
          input,
          output: outputOf(content),
          title: "",
          metadata: structured,
          time: { start, end }
        }))
      }
      case "session.next.tool.failed": {
        const { error, sessionID, timestamp: end } = event.properties
        // A refused request ends the turn without an end of its step.
        yield* watchIdle(id, sessionID)
        return yield* call(event.properties, ({ input, start }) => ({
          status: "error",
          input,
          error: error.message,
          time: { start, end }
        }))
      }
      case "session.next.retried": {
        const { attempt, error, sessionID, timestamp } = event.properties
        const status = { type: "retry", attempt, message: error.message, next: timestamp } as const
        return [{ id, type: "session.status", properties: { sessionID, status } }]
      }
      case "permission.v2.asked":
        return [{ id, type: "permission.asked", properties: permissionOf(event.properties) }]
      case "permission.v2.replied":
        return [{ id, type: "permission.replied", properties: event.properties }]
      case "question.v2.asked":
        return [{ id, type: "question.asked", properties: event.properties }]
      case "question.v2.replied":
        return [{ id, type: "question.replied", properties: event.properties }]
      case "question.v2.rejected":
        return [{ id, type: "question.rejected", properties: event.properties }]
      default:
        return [event]
    }
  })
})

type StepResult = Partial<Pick<Of<"session.next.step.ended">, "finish" | "cost" | "tokens">> &
  Partial<Pick<Of<"session.next.step.failed">, "error">>

const pick = ({ cost, error, finish, tokens }: StepResult) => ({
  ...(cost === undefined ? {} : { cost }),
  ...(error === undefined ? {} : { error }),
  ...(finish === undefined ? {} : { finish }),
  ...(tokens === undefined ? {} : { tokens })
})
