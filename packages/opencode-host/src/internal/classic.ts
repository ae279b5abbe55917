/** The client port over OpenCode 1.x's classic engine (`/session/*`), through the SDK's v2 entry. */
import { createOpencodeClient, type OpencodeClient } from "@opencode-ai/sdk/v2/client"
import { Effect, Predicate, Redacted } from "effect"
import {
  HostError,
  type HostErrorReason,
  NotFound,
  Protocol,
  Timeout,
  Unauthorized,
  Unavailable
} from "../HostError.ts"
import type { ModelInfo, OpenCodeClient } from "../OpenCodeClient.ts"
import { type Instance, user } from "./instance.ts"
import { splitModel } from "./model.ts"
import type { Supervisor } from "./supervisor.ts"

/** What the SDK answers; `response` is absent when the server was not reached. */
interface Answer<A> {
  readonly data?: A | undefined
  readonly error?: unknown
  readonly response?: Response | undefined
}

/** The slowest known request (5,000 sessions while the server loads) takes seconds. */
const limitMillis = 30_000
const pageSize = 100

export const classicClient = (use: Supervisor["use"], directory: string): OpenCodeClient => {
  const sdks = new WeakMap<Instance, OpencodeClient>()
  const sdkOf = (instance: Instance) => {
    const known = sdks.get(instance)
    if (known !== undefined) return known
    const credentials = Buffer.from(`${user}:${Redacted.value(instance.server.password)}`).toString("base64")
    const sdk = createOpencodeClient({
      baseUrl: instance.server.url,
      headers: { authorization: `Basic ${credentials}` }
    })
    sdks.set(instance, sdk)
    return sdk
  }

  const ask = <A>(
    operation: string,
    run: (sdk: OpencodeClient, options: { readonly signal: AbortSignal }) => Promise<Answer<A>>
  ): Effect.Effect<{ readonly data: A; readonly response: Response }, HostError> =>
    use((instance) =>
      Effect.tryPromise({
        try: (signal) => run(sdkOf(instance), { signal }),
        catch: (cause) => new HostError({ reason: new Protocol({ operation, detail: describe(cause) }) })
      }).pipe(
        Effect.timeoutOrElse({
          duration: limitMillis,
          orElse: () => new HostError({ reason: new Timeout({ operation, millis: limitMillis }) })
        }),
        Effect.flatMap(({ data, error, response }) =>
          response?.ok === true && data !== undefined
            ? Effect.succeed({ data, response })
            : Effect.fail(new HostError({ reason: reasonOf(operation, error, response) }))
        )
      )
    ).pipe(Effect.withSpan(`OpenCodeClient.${operation}`))

  const call = <A>(...args: Parameters<typeof ask<A>>) => Effect.map(ask(...args), ({ data }) => data)

  return {
    sessions: {
      create: ({ title, metadata, parentId }) =>
        call("sessions.create", (sdk, options) =>
          sdk.session.create(
            {
              directory,
              ...(title === undefined ? {} : { title }),
              ...(metadata === undefined ? {} : { metadata: { ...metadata } }),
              ...(parentId === undefined ? {} : { parentID: parentId })
            },
            options
          )
        ),
      get: (sessionID) => call("sessions.get", (sdk, options) => sdk.session.get({ sessionID, directory }, options)),
      // Without a limit OpenCode gives 100 rows and no cursor; -1 is all of them.
      list: ({ since, limit = -1, children = false } = {}) =>
        call("sessions.list", (sdk, options) =>
          sdk.session.list(
            {
              directory,
              limit,
              ...(children ? {} : { roots: true }),
              ...(since === undefined ? {} : { start: since })
            },
            options
          )
        ),
      rename: (sessionID, title) =>
        call("sessions.rename", (sdk, options) => sdk.session.update({ sessionID, directory, title }, options)),
      remove: (sessionID) =>
        Effect.asVoid(call("sessions.remove", (sdk, options) => sdk.session.delete({ sessionID, directory }, options))),
      children: (sessionID) =>
        call("sessions.children", (sdk, options) => sdk.session.children({ sessionID, directory }, options)),
      status: call("sessions.status", (sdk, options) => sdk.session.status({ directory }, options))
    },
    messages: {
      list: (sessionID, { limit = pageSize, before } = {}) =>
        Effect.map(
          ask("messages.list", (sdk, options) =>
            sdk.session.messages({ sessionID, directory, limit, ...(before === undefined ? {} : { before }) }, options)
          ),
          ({ data, response }) => ({ messages: data, before: response.headers.get("x-next-cursor") ?? undefined })
        ),
      get: (sessionID, messageID) =>
        call("messages.get", (sdk, options) => sdk.session.message({ sessionID, messageID, directory }, options))
    },
    prompt: ({ sessionId, messageId, partIds, text, model, agent, system }) =>
      Effect.asVoid(
        call("prompt", (sdk, options) =>
          sdk.session.promptAsync(
            {
              sessionID: sessionId,
              directory,
              messageID: messageId,
              parts: [{ id: partIds[0], type: "text", text }],
              ...(model === undefined ? {} : { model: splitModel(model) }),
              ...(agent === undefined ? {} : { agent }),
              ...(system === undefined ? {} : { system })
            },
            options
          )
        )
      ),
    abort: (sessionID) =>
      Effect.asVoid(call("abort", (sdk, options) => sdk.session.abort({ sessionID, directory }, options))),
    permissions: {
      list: call("permissions.list", (sdk, options) => sdk.permission.list({ directory }, options)),
      reply: (requestID, reply, message) =>
        Effect.asVoid(
          call("permissions.reply", (sdk, options) =>
            sdk.permission.reply(
              { requestID, directory, reply, ...(message === undefined ? {} : { message }) },
              options
            )
          )
        )
    },
    questions: {
      list: call("questions.list", (sdk, options) => sdk.question.list({ directory }, options)),
      reply: (requestID, answers) =>
        Effect.asVoid(
          call("questions.reply", (sdk, options) =>
            sdk.question.reply({ requestID, directory, answers: answers.map((answer) => [...answer]) }, options)
          )
        ),
      reject: (requestID) =>
        Effect.asVoid(
          call("questions.reject", (sdk, options) => sdk.question.reject({ requestID, directory }, options))
        )
    },
    models: Effect.gen(function* () {
      const [{ providers, default: defaults }, config] = yield* Effect.all(
        [
          call("models", (sdk, options) => sdk.config.providers({ directory }, options)),
          call("config", (sdk, options) => sdk.config.get({ directory }, options))
        ],
        { concurrency: "unbounded" }
      )
      const models = providers.flatMap((provider) =>
        Object.values(provider.models).map((model): ModelInfo => ({
          id: `${provider.id}/${model.id}`,
          providerId: provider.id,
          modelId: model.id,
          name: model.name,
          providerName: provider.name,
          tools: model.capabilities.toolcall,
          reasoning: model.capabilities.reasoning,
          contextLimit: model.limit.context,
          outputLimit: model.limit.output,
          status: model.status
        }))
      )
      const [first] = Object.entries(defaults)
      return { models, default: config.model ?? (first === undefined ? undefined : `${first[0]}/${first[1]}`) }
    }),
    agents: call("agents", (sdk, options) => sdk.app.agents({ directory }, options))
  }
}

const reasonOf = (operation: string, error: unknown, response: Response | undefined): HostErrorReason => {
  const detail = describe(error)
  // The SDK turns an HTML answer into an error without a response; only a refused connection is a TypeError.
  if (response === undefined) {
    return error instanceof TypeError
      ? new Unavailable({ operation, detail: describe(error.cause ?? error) })
      : new Protocol({ operation, detail })
  }
  if (response.status === 401) return new Unauthorized({ operation })
  if (response.status === 404) return new NotFound({ operation, detail })
  return new Protocol({ operation, status: response.status, detail })
}

/** OpenCode's errors are `{name, data: {message}}`; anything else is cut short. */
const describe = (error: unknown): string => {
  if (Predicate.hasProperty(error, "data") && Predicate.hasProperty(error.data, "message")) {
    return String(error.data.message)
  }
  if (Predicate.hasProperty(error, "message") && error.message !== "") return String(error.message)
  const text = typeof error === "string" ? error : (JSON.stringify(error) ?? "nothing")
  return text === "{}" || text === "" ? "no details" : text.slice(0, 500)
}
