import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { OpenCodeHome, type Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { spawn } from "node:child_process"
import { assert } from "@effect/vitest"
import { Effect, Layer, Schedule, Stream } from "effect"
import {
  ascendingId,
  type OpenCodeRequest,
  OpenCodeHost,
  type OpenCodeHostOptions,
  type TurnEvent
} from "../src/index.ts"
import type { Hub } from "../src/internal/server/hub.ts"
import type { Running } from "../src/internal/server/supervisor.ts"
import type { TurnHost } from "../src/internal/turn/turnHost.ts"

/** The question to the model: the newest user text, and the number of tool results since. */
export interface Asked {
  readonly prompt: string
  readonly results: number
}

type AskedScript = (asked: Asked) => Reply.Reply | Effect.Effect<Reply.Reply>

const scriptOf =
  (script: AskedScript): Script =>
  (request) => {
    const newest = request.messages.findLastIndex((message) => message.role === "user")
    return script({
      prompt: request.messages[newest]?.text ?? "",
      results: request.messages.slice(newest).filter((message) => message.role === "tool").length
    })
  }

/** Makes `script` the model of a host that runs. */
export const useScript = (script: AskedScript) => ScriptedProvider.use(({ setScript }) => setScript(scriptOf(script)))

type Permission = Readonly<Record<string, string | Readonly<Record<string, string>>>>

/** A host on the real binary, with a home of its own, whose model is `script`. */
export const layerHost = (
  script: AskedScript,
  options: Partial<OpenCodeHostOptions> & { readonly permission?: Permission } = {}
) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider
      const { permission = {}, ...rest } = options
      const home = yield* OpenCodeHome.make({ config: { ...provider.config, snapshot: false, permission } })
      return OpenCodeHost.layer({
        directory: home.directory,
        environment: home.environment,
        stateDirectory: `${home.root}/state`,
        ...rest
      })
    })
  ).pipe(Layer.provideMerge(ScriptedProvider.layer(scriptOf(script), { models: ["echo", "other"] })))

export const promptOf = Effect.fnUntraced(function* (sessionId: string, text: string) {
  return {
    sessionId,
    messageId: yield* ascendingId("msg"),
    partId: yield* ascendingId("prt"),
    text
  }
})

/** The part of the host that a turn needs, with events from `hub`. */
export const turnHostOver = Effect.fnUntraced(function* (hub: Hub) {
  const { abort, client, directory, server } = yield* OpenCodeHost
  const running: Running = {
    server: yield* server,
    exited: Effect.never,
    notice: Effect.void,
    kill: Effect.void,
    primed: Effect.void,
    providerMetadata: Effect.never
  }
  return {
    client,
    readable: { directory, denied: [] },
    isAttached: false,
    keepAlive: Effect.void,
    running: Effect.succeed(running),
    subscribe: hub.subscribe,
    turns: new Map(),
    abort,
    background: Effect.forkDetach
  } satisfies TurnHost
})

export const newSession = Effect.gen(function* () {
  const { client } = yield* OpenCodeHost
  return (yield* client.sessions.create({ title: "test" })).id
})

/** Runs a prompt in a new session to its end. */
export const runPrompt = Effect.fnUntraced(function* (text: string) {
  const host = yield* OpenCodeHost
  return yield* host.turn(yield* promptOf(yield* newSession, text)).pipe(Stream.runCollect)
})

export const endOf = (events: ReadonlyArray<TurnEvent>): Ended => {
  const last = events.at(-1)
  if (last?._tag !== "Ended") throw new Error(`The turn did not end: ${JSON.stringify(last)}`)
  return last
}

export const textOf = (events: ReadonlyArray<TurnEvent>, kind: "text" | "reasoning" = "text"): string =>
  events.map((event) => (event._tag === "TextDelta" && event.kind === kind ? event.delta : "")).join("")

type Ended = Extract<TurnEvent, { readonly _tag: "Ended" }>
type RequestOpened = Extract<TurnEvent, { readonly _tag: "RequestOpened" }>
type Opened<Kind> = RequestOpened & { readonly request: Extract<OpenCodeRequest, { readonly kind: Kind }> }

export const isPermission = (event: TurnEvent): event is Opened<"permission"> =>
  event._tag === "RequestOpened" && event.request.kind === "permission"

export const isQuestion = (event: TurnEvent): event is Opened<"question"> =>
  event._tag === "RequestOpened" && event.request.kind === "question"

export const tags = (events: ReadonlyArray<TurnEvent>): ReadonlyArray<string> => events.map((event) => event._tag)

/** Looks again and again, for 30 seconds at most. */
export const eventually = <A, E, R>(look: Effect.Effect<A, E, R>, until: (found: A) => boolean) =>
  look.pipe(
    Effect.repeat({ until, schedule: Schedule.spaced("100 millis"), times: 300 }),
    Effect.tap((found) => Effect.sync(() => assert.isTrue(until(found), JSON.stringify(found))))
  )

/** A home for hosts that come and go, and the options of one. */
export const setting = Effect.fnUntraced(function* (script: Script) {
  const provider = yield* ScriptedProvider.make(script)
  const home = yield* OpenCodeHome.make({ config: { ...provider.config, snapshot: false } })
  const { directory, environment, root } = home
  return { root, options: { directory, environment, stateDirectory: `${root}/state` } }
})

/** Runs with a host of its own, and closes it. */
export const hosted = <A, E>(options: OpenCodeHostOptions, run: Effect.Effect<A, E, OpenCodeHost>) =>
  Effect.provide(run, Layer.fresh(OpenCodeHost.layer(options)))

/** A process of its own that hosts, and prompts "stay"; killed at the end. */
export const parent = (options: object) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        process.execPath,
        [
          "--conditions=@opencode-worker/source",
          new URL("./fixtures/parent.ts", import.meta.url).pathname,
          JSON.stringify({ ...options, text: "stay" })
        ],
        { stdio: ["ignore", "pipe", "inherit"] }
      )
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Of `node:http`, and of the global `fetch`. */
const requestChannels = ["http.client.request.created", "undici:request:create"]

/** Calls `onRequest` with the path of each HTTP request that this process is about to send meanwhile. */
export const watchingRequests = <A, E, R>(onRequest: (path: string) => void, run: Effect.Effect<A, E, R>) => {
  const receive = (message: unknown) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documented by Node.js and by undici
    const { request } = message as { readonly request: { readonly path: string } }
    onRequest(request.path.replace(/\?.*/, ""))
  }
  const onChannels = (change: typeof subscribe) =>
    Effect.sync(() => requestChannels.forEach((channel) => change(channel, receive)))
  return Effect.acquireUseRelease(
    onChannels(subscribe),
    () => run,
    () => onChannels((channel, listener) => void unsubscribe(channel, listener))
  )
}

/** The paths of the HTTP requests that this process sends meanwhile, without the probes of the server's health. */
export const requestsDuring = <A, E, R>(run: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const paths: Array<string> = []
    return Effect.as(
      watchingRequests((path) => void (path === "/global/health" || paths.push(path)), run),
      paths
    )
  })

/** Numbered words, so that a lost one, a repeated one and a swapped pair all show. */
export const numbered = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${name}-${index}`).join(" ")
