/** The real parts around a worker: an embedded deployment, OpenCode with a scripted model, and an operator. */
import { createServer, type Server } from "node:http"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { ascendingId, OpenCodeHost, type OpenCodeHostOptions } from "@opencode-worker/opencode-host"
import { OpenCodeHome, type ProviderConfig, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { Effect, Layer, Schedule, Stream } from "effect"
import type { DataFolder } from "../../src/state/DataFolder.ts"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { loopback } from "../../src/local/Listening.ts"
import type { CommandId, PendingRequest, SessionId, TurnId, TurnView } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { devLayer } from "../../src/layers.ts"
import { makeWorker, type WorkerOptions } from "../../src/Worker.ts"
import { sleepingOpenCode } from "./command.ts"

/** Answers with the number of the prompt in the session; after a tool call, with its output. */
export const echo: Script = ({ lastUserText, prompts, toolResults }) =>
  Reply.text(toolResults.at(-1)?.output ?? `${prompts.length}: ${lastUserText}`)

/** A data folder in a temporary home. */
export const folderIn = ({ root }: OpenCodeHome["Service"]): DataFolder => ({
  root,
  deployment: join(root, "deployment"),
  operator: join(root, "operator.json"),
  worker: () => join(root, "worker.json"),
  trust: () => join(root, "trusted.json"),
  demo: root,
  port: join(root, "port.json")
})

/** An embedded deployment and the real OpenCode, which requests permission for web access and `rm`. */
export const worldWith = (
  options: Partial<OpenCodeHostOptions>,
  snapshot = false,
  configured: (config: ProviderConfig) => object = (config) => config
) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { config } = yield* ScriptedProvider
      const home = yield* OpenCodeHome.make({
        // Snapshots triple the processor time of a prompt.
        config: { ...configured(config), snapshot, permission: { webfetch: "ask", bash: { "rm *": "ask" } } }
      })
      const { directory, environment } = home
      return devLayer({ directory, environment, start: "eager", ...options }).pipe(
        Layer.provideMerge(EmbeddedDeployment.serve(folderIn(home), { ...loopback, userTimeLimit: 30_000 })),
        Layer.merge(Layer.succeed(OpenCodeHome, home))
      )
    })
  ).pipe(
    Layer.provideMerge(
      Layer.merge(
        ScriptedProvider.layer(echo, { models: ["echo", "other"], imageModels: ["other"] }),
        NodeServices.layer
      )
    )
  )
export const world = worldWith({})

/** A world in which OpenCode never starts, for tests that need none. */
export const worldWithoutOpenCode = Layer.unwrap(
  Effect.gen(function* () {
    const { root } = yield* OpenCodeHome.make({ git: false })
    return worldWith({ binary: yield* sleepingOpenCode(root) })
  })
)

/** Runs a worker until the scope closes. Returns its id. */
export const workerWith = Effect.fnUntraced(function* (options: Partial<WorkerOptions>) {
  const home = yield* OpenCodeHome
  const operator = yield* Client
  const { lifecycle, workerId } = yield* makeWorker({
    machine: "test",
    directory: home.directory,
    credentials: join(home.root, "worker.json"),
    processId: "test",
    onPairingCode: (code) => operator.call(({ workers }) => workers.approve(code)),
    ...options
  })
  yield* lifecycle.send(WorkerEvent.cases.Start.make({}))
  yield* lifecycle.awaitState("Ready")
  return yield* Effect.flatMap(workerId, Effect.fromOption)
})
export const runWorker = workerWith({})

/** An operator's connection, for functions that the client does not offer. */
export const personal = Effect.gen(function* () {
  const { operatorToken, url } = yield* EmbeddedDeployment
  return yield* ConvexClient.make({ url, auth: operatorToken })
})

/** Waits until a command has ended. */
export const settled = Effect.fnUntraced(function* (commandId: CommandId | null) {
  if (commandId === null) return yield* Effect.die("There is no command")
  return yield* Client.use((operator) => operator.call(({ commands }) => commands.wait(commandId)))
})

/** Imports the turns of an OpenCode session, and returns the ended command. */
export const loadHistory = (sessionId: SessionId) =>
  Client.use((operator) =>
    Effect.flatMap(
      operator.call(({ sessions }) => sessions.loadHistory(sessionId)),
      settled
    )
  )

export const allSessions = Client.use((operator) =>
  Stream.runCollect(operator.stream(({ sessions }) => sessions.list()))
)

/** The current state of a turn. */
export const viewOf = (turnId: TurnId) =>
  Client.use((operator) =>
    operator
      .stream(({ turns }) => turns.follow(turnId, { watch: false }))
      .pipe(Stream.runHead, Effect.flatMap(Effect.fromOption))
  )

/** A session on the worker, which need not run. */
export const newSession = Effect.gen(function* () {
  const operator = yield* Client
  const workerId = yield* Effect.scoped(runWorker)
  return yield* operator.call(({ sessions }) => sessions.create(workerId))
})

export const send = (sessionId: SessionId, text: string, model?: string) =>
  Client.use((operator) =>
    operator.call(({ turns }) => turns.send(sessionId, text, model === undefined ? {} : { model }))
  )

/** Waits for the end of a turn; returns its status, its error, and its text. */
export const answer = Effect.fnUntraced(function* (turnId: TurnId) {
  const operator = yield* Client
  const { blocks, end, status } = yield* operator.call(({ turns }) => turns.follow(turnId).result)
  const textOf = (wanted: TurnView.Block["kind"]) =>
    blocks.flatMap((block) => (block.kind === wanted && "text" in block ? [block.text] : []))
  return { status, error: end.error?.message ?? "", text: textOf("text").join("\n"), notices: textOf("notice") }
})

export const ask = (sessionId: SessionId, text: string, model?: string) =>
  Effect.flatMap(send(sessionId, text, model), answer)

/** Sends a prompt at OpenCode's own terminal, and waits for the answer. */
export const say = Effect.fnUntraced(function* (sessionId: string, text: string) {
  const { turn } = yield* OpenCodeHost
  const messageId = yield* ascendingId("msg")
  yield* Stream.runDrain(turn({ sessionId, messageId, partId: yield* ascendingId("prt"), text }))
})

/** The address of a page on this machine. */
export const servedPage = Effect.acquireRelease(
  Effect.callback<Server>((resume) => {
    const server = createServer((_, response) =>
      response.setHeader("content-type", "text/plain").end("the page says hello")
    )
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
).pipe(
  Effect.map((server) => {
    const address = server.address()
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/page`
  })
)

/** Changes the model's answers until the test ends. */
export const script = (says: Script) =>
  ScriptedProvider.use((provider) => Effect.acquireRelease(provider.setScript(says), () => provider.setScript(echo)))

/** The polling interval of conditions. The test's timeout is the limit. */
export const schedule = Schedule.spaced("50 millis")

/** OpenCode boots once, slowly on a loaded machine. */
export const limit = { timeout: 120_000 }

/** Waits until a part of a turn's text was streamed. The notice that OpenCode starts does not count. */
export const streaming = (turnId: TurnId) =>
  Client.use((operator) =>
    operator
      .stream(({ turns }) => turns.follow(turnId))
      .pipe(
        Stream.filter(({ blocks }) => blocks.some(({ kind }) => kind === "text")),
        Stream.runHead
      )
  )

/** Waits for a new request of a session. */
export const asked = (sessionId: SessionId, before?: PendingRequest) =>
  Client.use((operator) =>
    operator
      .stream(({ requests }) => requests.watch({ sessionId }))
      .pipe(
        Stream.flattenIterable,
        Stream.filter(({ requestId }) => requestId !== before?.requestId),
        Stream.runHead,
        Effect.flatMap(Effect.fromOption)
      )
  )
