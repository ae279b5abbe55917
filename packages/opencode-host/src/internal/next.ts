/**
 * The client port over the next engine (`/api/*`), through the SDK's v2 entry.
 *
 * Its messages name no parent: an answer belongs to the newest prompt before it. Its replies want the session, so a
 * request is looked up first. What it has not fails with `Unsupported`; see `nextCapabilities`.
 */
import type { PermissionV2Request, SessionMessage, SessionV2Info } from "@opencode-ai/sdk/v2/client"
import { Effect } from "effect"
import { HostError, NotFound, Unsupported } from "../HostError.ts"
import type { MessageWithParts, ModelInfo, PermissionRequest, PromptInput, Session } from "../OpenCodeClient.ts"
import type { EngineClient } from "./engine.ts"
import { splitModel } from "./model.ts"
import { messageOf } from "./nextMessages.ts"
import type { Transport } from "./transport.ts"

const pageSize = 100

const sessionOf = ({ location, ...info }: SessionV2Info): Session => ({ ...info, directory: location.directory })

export const permissionOf = ({ action, resources, save, source, metadata, ...rest }: PermissionV2Request) =>
  ({
    id: rest.id,
    sessionID: rest.sessionID,
    permission: action,
    patterns: resources,
    metadata: metadata ?? {},
    always: save ?? [],
    ...(source === undefined ? {} : { tool: { messageID: source.messageID, callID: source.callID } })
  }) satisfies PermissionRequest

const unsupported = (operation: string) => new HostError({ reason: new Unsupported({ operation, engine: "next" }) })
const missing = (operation: string, detail: string) => new HostError({ reason: new NotFound({ operation, detail }) })

interface Page {
  /** Newest first. */
  readonly data: ReadonlyArray<SessionMessage>
  readonly before: string | undefined
}

export const nextClient = ({ call, settings }: Transport, directory: string): EngineClient => {
  const location = { directory }
  const page = (sessionID: string, limit: number, cursor: string | undefined): Effect.Effect<Page, HostError> =>
    Effect.map(
      call("messages.list", (sdk, options) =>
        sdk.v2.session.messages(
          // The order is part of the cursor.
          { sessionID, limit, ...(cursor === undefined ? { order: "desc" } : { cursor }) },
          options
        )
      ),
      ({ cursor: cursors, data }) => ({ data, before: data.length < limit ? undefined : cursors.next })
    )

  /** The prompt that the messages just after `before` answer; empty for what answers none. */
  const promptBefore = Effect.fnUntraced(function* (sessionID: string, before: string | undefined) {
    for (let cursor = before; cursor !== undefined;) {
      const older: Page = yield* page(sessionID, pageSize, cursor)
      const prompt = older.data.find(({ type }) => type === "user")
      if (prompt !== undefined) return prompt.id
      cursor = older.before
    }
    return ""
  })

  /** Oldest first, each with its parent. */
  const placed = Effect.fnUntraced(function* (sessionID: string, { data, before }: Page) {
    const ascending = data.toReversed()
    const [oldest] = ascending.filter(({ type }) => type === "user" || type === "assistant")
    let parentID = oldest?.type === "assistant" ? yield* promptBefore(sessionID, before) : ""
    const messages: Array<MessageWithParts> = []
    for (const message of ascending) {
      if (message.type === "user") parentID = message.id
      const found = messageOf(message, { sessionID, directory, parentID })
      if (found !== undefined) messages.push(found)
    }
    return messages
  })

  const getMessage = Effect.fnUntraced(function* (sessionID: string, messageID: string) {
    const { data } = yield* call("messages.get", (sdk, options) =>
      sdk.v2.session.message({ sessionID, messageID }, options)
    )
    const alone = messageOf(data, { sessionID, directory, parentID: "" })
    if (alone === undefined) return yield* missing("messages.get", `${messageID} is neither a prompt nor an answer`)
    if (alone.info.role === "user") return alone
    for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
      const found: Page = yield* page(sessionID, pageSize, cursor)
      const message = (yield* placed(sessionID, found)).find(({ info }) => info.id === messageID)
      if (message !== undefined) return message
      cursor = found.before
    }
    return alone
  })

  /** The engine lists by the time of creation, so the newest change first means reading all. */
  const allSessions = Effect.gen(function* () {
    const sessions: Array<Session> = []
    for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
      const found = yield* call("sessions.list", (sdk, options) =>
        sdk.v2.session.list(
          cursor === undefined ? { directory, limit: pageSize } : { cursor, limit: pageSize },
          options
        )
      )
      sessions.push(...found.data.map(sessionOf))
      cursor = found.data.length < pageSize ? undefined : found.cursor.next
    }
    return sessions.toSorted((a, b) => b.time.updated - a.time.updated)
  })

  const models = Effect.gen(function* () {
    const { data: listed } = yield* call("models", (sdk, options) => sdk.v2.model.list({ location }, options))
    const { providerNames } = yield* settings
    const all = listed
      .filter(({ enabled }) => enabled)
      .map((model): ModelInfo => ({
        id: `${model.providerID}/${model.id}`,
        providerId: model.providerID,
        modelId: model.id,
        name: model.name,
        providerName: providerNames.get(model.providerID) ?? model.providerID,
        tools: model.capabilities.tools,
        reasoning: false,
        contextLimit: model.limit.context,
        outputLimit: model.limit.output,
        status: model.status
      }))
    return { models: all, default: undefined }
  })

  const agents = Effect.map(
    call("agents", (sdk, options) => sdk.v2.agent.list({ location }, options)),
    ({ data }) => data.map(({ id, ...agent }) => ({ ...agent, name: id }))
  )

  const getSession = (sessionID: string) =>
    Effect.map(
      call("sessions.get", (sdk, options) => sdk.v2.session.get({ sessionID }, options)),
      ({ data }) => data
    )

  /** Model and agent are the session's. An unknown one would be accepted, and then nothing at all would happen. */
  const choose = Effect.fnUntraced(function* ({ sessionId: sessionID, model, agent }: PromptInput) {
    if (model === undefined && agent === undefined) return
    const session = yield* getSession(sessionID)
    if (model !== undefined) {
      const { providerID, modelID: id } = splitModel(model)
      if (!(yield* models).models.some((known) => known.id === model)) {
        return yield* missing("prompt", `the model ${model}`)
      }
      if (session.model?.id !== id || session.model.providerID !== providerID) {
        yield* call("prompt", (sdk, options) =>
          sdk.v2.session.switchModel({ sessionID, model: { providerID, id } }, options)
        )
      }
    }
    if (agent !== undefined && session.agent !== agent) {
      if (!(yield* agents).some(({ name }) => name === agent)) return yield* missing("prompt", `the agent ${agent}`)
      yield* call("prompt", (sdk, options) => sdk.v2.session.switchAgent({ sessionID, agent }, options))
    }
  })

  const permissions = Effect.map(
    call("permissions.list", (sdk, options) => sdk.v2.permission.request.list({ location }, options)),
    ({ data }) => data.map(permissionOf)
  )
  const questions = Effect.map(
    call("questions.list", (sdk, options) => sdk.v2.question.request.list({ location }, options)),
    ({ data }) => data
  )
  const sessionOfRequest = Effect.fnUntraced(function* (
    operation: string,
    list: Effect.Effect<ReadonlyArray<{ readonly id: string; readonly sessionID: string }>, HostError>,
    requestID: string
  ) {
    const found = (yield* list).find(({ id }) => id === requestID)
    return found?.sessionID ?? (yield* missing(operation, requestID))
  })

  return {
    sessions: {
      create: (input) =>
        Object.values(input).some((given) => given !== undefined)
          ? unsupported("sessions.create with a title, metadata or a parent")
          : Effect.map(
              call("sessions.create", (sdk, options) => sdk.v2.session.create({ location }, options)),
              ({ data }) => sessionOf(data)
            ),
      get: (sessionId) => Effect.map(getSession(sessionId), sessionOf),
      list: ({ since = 0, limit, children = false } = {}) =>
        Effect.map(allSessions, (all) =>
          all
            .filter(({ parentID, time }) => time.updated >= since && (children || parentID === undefined))
            .slice(0, limit)
        ),
      rename: () => unsupported("sessions.rename"),
      remove: () => unsupported("sessions.remove"),
      children: (sessionId) => Effect.map(allSessions, (all) => all.filter(({ parentID }) => parentID === sessionId)),
      history: (sessionID, { after = 0, limit = pageSize } = {}) =>
        Effect.map(
          call("sessions.history", (sdk, options) => sdk.v2.session.history({ sessionID, after, limit }, options)),
          ({ data, hasMore }) => ({
            entries: data.flatMap(({ data: content, durable, type }) =>
              durable === undefined ? [] : [{ seq: durable.seq, type, data: content }]
            ),
            more: hasMore
          })
        ),
      status: Effect.map(
        call("sessions.status", (sdk, options) => sdk.v2.session.active(options)),
        ({ data }) => Object.fromEntries(Object.keys(data).map((id) => [id, { type: "busy" as const }]))
      )
    },
    messages: {
      list: (sessionId, { limit = pageSize, before } = {}) =>
        Effect.gen(function* () {
          const found = yield* page(sessionId, limit, before)
          return { messages: yield* placed(sessionId, found), before: found.before }
        }),
      get: getMessage
    },
    prompt: (input) =>
      input.system === undefined
        ? Effect.andThen(
            choose(input),
            Effect.asVoid(
              call("prompt", (sdk, options) =>
                sdk.v2.session.prompt(
                  { sessionID: input.sessionId, id: input.messageId, prompt: { text: input.text } },
                  options
                )
              )
            )
          )
        : unsupported("a prompt with a system text"),
    abort: (sessionID) =>
      Effect.asVoid(call("abort", (sdk, options) => sdk.v2.session.interrupt({ sessionID }, options))),
    permissions: {
      list: permissions,
      reply: (requestID, reply, message) =>
        Effect.gen(function* () {
          const sessionID = yield* sessionOfRequest("permissions.reply", permissions, requestID)
          yield* call("permissions.reply", (sdk, options) =>
            sdk.v2.session.permission.reply(
              { sessionID, requestID, reply, ...(message === undefined ? {} : { message }) },
              options
            )
          )
        })
    },
    questions: {
      list: questions,
      reply: (requestID, answers) =>
        Effect.gen(function* () {
          const sessionID = yield* sessionOfRequest("questions.reply", questions, requestID)
          const questionV2Reply = { answers: answers.map((answer) => [...answer]) }
          yield* call("questions.reply", (sdk, options) =>
            sdk.v2.session.question.reply({ sessionID, requestID, questionV2Reply }, options)
          )
        }),
      reject: (requestID) =>
        Effect.gen(function* () {
          const sessionID = yield* sessionOfRequest("questions.reject", questions, requestID)
          yield* call("questions.reject", (sdk, options) =>
            sdk.v2.session.question.reject({ sessionID, requestID }, options)
          )
        })
    },
    models,
    agents
  }
}
