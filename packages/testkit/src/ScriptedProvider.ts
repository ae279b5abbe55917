/**
 * A model provider whose replies a script decides: a real OpenAI-compatible HTTP server on 127.0.0.1.
 *
 * Invariants
 * - A counted request is recorded too, and answered by the script that was set when it arrived.
 * - A client that disconnects stops its reply. Closing the scope stops all replies and frees the port.
 *
 * It uses the caller's clock: under a `TestClock`, `every` waits for `TestClock.adjust`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { text } from "node:stream/consumers"
import { Cause, Context, Effect, FiberSet, Layer, type Scope, type Stream, SubscriptionRef } from "effect"
import { type ChatRequest, decodeBody, fromBody } from "./ChatRequest.ts"
import { listen } from "./internal/listen.ts"
import { error, json, play } from "./internal/playback.ts"
import * as Reply from "./Reply.ts"
import type { TestkitError } from "./TestkitError.ts"

/** Returns the model's reply to a request. If a script throws, the provider responds with status 400, which OpenCode does
 * not retry. */
export type Script = (request: ChatRequest) => Reply.Reply | Effect.Effect<Reply.Reply>

export interface Options {
  /** Model ids, without the provider; they may contain slashes. The first is the default. Default: `["echo"]`. */
  readonly models?: ReadonlyArray<string>
  /** Those of `models` that accept images. Default: none. */
  readonly imageModels?: ReadonlyArray<string>
  /** Answers OpenCode's requests for a session title. Default: a short fixed title, without asking `script`. */
  readonly titles?: Script
  /** How many of the newest requests `requests` keeps. Default: 200. */
  readonly keep?: number
}

/** Counts since the provider started. */
export interface Stats {
  /** Chat requests, without titles. */
  readonly chats: number
  readonly titles: number
  /** `GET /v1/models` requests. */
  readonly modelLists: number
  /** Replies that are being sent now. */
  readonly active: number
}

/** The part of an OpenCode configuration that selects this provider. */
export interface ProviderConfig {
  readonly model: string
  readonly provider: Readonly<Record<string, object>>
  readonly autoupdate: false
}

/**
 * **When to use**
 *
 * Use to test any program that calls OpenCode or an OpenAI-compatible API: replies are deterministic, free, and need no
 * network.
 */
export class ScriptedProvider extends Context.Service<
  ScriptedProvider,
  {
    /** `http://127.0.0.1:PORT/v1` */
    readonly url: string
    /** For `opencode.json`: see `OpenCodeHome`. */
    readonly config: ProviderConfig
    /** The newest requests (see `Options.keep`), oldest first, titles included. */
    readonly requests: Effect.Effect<ReadonlyArray<ChatRequest>>
    /** Number of chat requests, without titles. */
    readonly count: Effect.Effect<number>
    readonly stats: Effect.Effect<Stats>
    /** The current `Stats`, then each change. Use it to wait for a condition. */
    readonly changes: Stream.Stream<Stats>
    /** Requests that arrive from now on are answered by `script`. */
    readonly setScript: (script: Script) => Effect.Effect<void>
  }
>()("@opencode-worker/testkit/ScriptedProvider") {
  static readonly make = (
    script: Script,
    options: Options = {}
  ): Effect.Effect<ScriptedProvider["Service"], TestkitError, Scope.Scope> => make(script, options)

  static readonly layer = (script: Script, options: Options = {}): Layer.Layer<ScriptedProvider, TestkitError> =>
    Layer.effect(ScriptedProvider, make(script, options))
}

/** Context window and longest answer of each model, in tokens. */
const limit = { context: 100_000, output: 4096 }

const make = Effect.fnUntraced(function* (initial: Script, options: Options) {
  const models = options.models ?? ["echo"]
  const titles = options.titles ?? (() => Reply.text("Scripted session"))
  const keep = options.keep ?? 200
  let script = initial
  const kept: Array<ChatRequest> = []
  const stats = yield* SubscriptionRef.make<Stats>({ chats: 0, titles: 0, modelLists: 0, active: 0 })
  const add = (key: keyof Stats, difference: number) =>
    SubscriptionRef.update(stats, (now) => ({ ...now, [key]: now[key] + difference }))

  const chat = Effect.fnUntraced(function* (body: string, response: ServerResponse) {
    const fields = fromBody(yield* decodeBody(body))
    const [key, answer] = fields.kind === "title" ? (["titles", titles] as const) : (["chats", script] as const)
    const begin = SubscriptionRef.modify(stats, (now) => {
      const next = { ...now, [key]: now[key] + 1, active: now.active + 1 }
      const request = { ...fields, ordinal: next[key] }
      kept.push(request)
      if (kept.length > keep) kept.shift()
      return [request, next] as const
    })
    const reply = Effect.fnUntraced(function* (request: ChatRequest) {
      const answered = answer(request)
      yield* play(response, request, Effect.isEffect(answered) ? yield* answered : answered)
    })
    yield* Effect.acquireUseRelease(begin, reply, () => add("active", -1))
  })

  const modelList = Effect.fnUntraced(function* (response: ServerResponse) {
    yield* add("modelLists", 1)
    const data = models.map((id) => ({ id, object: "model", created: 0, owned_by: "scripted" }))
    yield* json(response, 200, { object: "list", data })
  })

  const route = Effect.fnUntraced(function* (request: IncomingMessage, response: ServerResponse) {
    const body = yield* Effect.promise(() => text(request))
    switch (`${request.method} ${request.url}`) {
      case "GET /v1/models":
        yield* modelList(response)
        break
      case "POST /v1/chat/completions":
        yield* chat(body, response)
        break
      default:
        yield* error(response, { status: 404, message: `No route ${request.method} ${request.url}` })
    }
  })

  const run = yield* FiberSet.makeRuntime()
  const answerRequest = (request: IncomingMessage, response: ServerResponse) => {
    const fiber = run(
      route(request, response).pipe(
        Effect.catchTag("SchemaError", ({ message }) =>
          error(response, { status: 400, message: `Not a chat completions request: ${message}` })
        ),
        Effect.catchCause((cause) =>
          Cause.hasInterrupts(cause) || response.headersSent
            ? Effect.sync(() => response.destroy())
            : error(response, { status: 400, message: `The script failed: ${Cause.pretty(cause)}` })
        )
      )
    )
    response.once("close", () => fiber.interruptUnsafe())
  }
  const port = yield* listen(
    "scripted model provider",
    () => createServer(answerRequest),
    (server) => server.closeAllConnections()
  )
  const url = `http://127.0.0.1:${port}/v1`

  return ScriptedProvider.of({
    url,
    config: config(url, models, options.imageModels ?? []),
    requests: Effect.sync(() => [...kept]),
    count: Effect.map(SubscriptionRef.get(stats), ({ chats }) => chats),
    stats: SubscriptionRef.get(stats),
    changes: SubscriptionRef.changes(stats),
    setScript: (next) =>
      Effect.sync(() => {
        script = next
      })
  })
})

const images = { attachment: true, modalities: { input: ["text", "image"], output: ["text"] } }

const config = (
  baseURL: string,
  models: ReadonlyArray<string>,
  imageModels: ReadonlyArray<string>
): ProviderConfig => ({
  model: `scripted/${models[0] ?? "echo"}`,
  provider: {
    scripted: {
      npm: "@ai-sdk/openai-compatible",
      name: "Scripted",
      options: { baseURL, apiKey: "sk-none" },
      models: Object.fromEntries(
        models.map((name) => [name, { name, limit, ...(imageModels.includes(name) && images) }])
      )
    }
  },
  autoupdate: false
})
