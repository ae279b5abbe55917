/** The real parts around a worker: an embedded deployment, OpenCode with a scripted model, and an operator. */
import { createServer, type Server } from "node:http"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { ConvexClient } from "@opencode-worker/effect-convex"
import type { OpenCodeHostOptions } from "@opencode-worker/opencode-host"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { Effect, Layer, Option, Schedule, Stream } from "effect"
import type { DataFolder } from "../../src/state/DataFolder.ts"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { Operator, type PendingRequest } from "../../src/Operator.ts"
import { devLayer } from "../../src/layers.ts"
import { makeWorker, type WorkerOptions } from "../../src/Worker.ts"

/** Says which prompt of the conversation it answers; after a tool, what the tool said. */
export const echo: Script = ({ lastUserText, prompts, toolResults }) =>
  Reply.text(toolResults.at(-1)?.output ?? `${prompts.length}: ${lastUserText}`)

/** A data folder in a home that goes away with it. */
export const folderIn = ({ root }: OpenCodeHome["Service"]): DataFolder => ({
  root,
  deployment: join(root, "deployment"),
  operator: join(root, "operator.json"),
  worker: () => join(root, "worker.json"),
  trust: () => join(root, "trusted.json"),
  demo: root
})

/** An embedded deployment and the real OpenCode, which asks for web access and for `rm`. */
export const worldWith = (options: Partial<OpenCodeHostOptions>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { config } = yield* ScriptedProvider
      const home = yield* OpenCodeHome.make({
        // Snapshots triple the processor time of a prompt.
        config: { ...config, snapshot: false, permission: { webfetch: "ask", bash: { "rm *": "ask" } } }
      })
      const { directory, environment } = home
      return devLayer({ directory, environment, start: "eager", ...options }).pipe(
        Layer.provideMerge(EmbeddedDeployment.serve(folderIn(home), Option.none())),
        Layer.merge(Layer.succeed(OpenCodeHome, home))
      )
    })
  ).pipe(
    Layer.provideMerge(Layer.merge(ScriptedProvider.layer(echo, { models: ["echo", "other"] }), NodeServices.layer))
  )
export const world = worldWith({})

/** Runs a worker for as long as the scope, and gives its id. */
export const workerWith = Effect.fnUntraced(function* (options: Partial<WorkerOptions>) {
  const home = yield* OpenCodeHome
  const operator = yield* Operator
  const { lifecycle, workerId } = yield* makeWorker({
    machine: "test",
    directory: home.directory,
    credentials: join(home.root, "worker.json"),
    processId: "test",
    onPairingCode: operator.approve,
    ...options
  })
  yield* lifecycle.send(WorkerEvent.cases.Start.make({}))
  yield* lifecycle.awaitState("Ready")
  return yield* Effect.flatMap(workerId, Effect.fromOption)
})
export const runWorker = workerWith({})

/** A person's connection, for what the operator of this command has no word for. */
export const personal = Effect.gen(function* () {
  const { operatorToken, url } = yield* EmbeddedDeployment
  return yield* ConvexClient.make({ url, auth: operatorToken })
})

/** How a command ended. */
export const settled = Effect.fnUntraced(function* (commandId: Id<"commands"> | null) {
  if (commandId === null) return yield* Effect.die("There is no command")
  const { query } = yield* personal
  return yield* Effect.repeat(query(api.commands.get, { commandId }), {
    until: (command) => command?.status !== "queued",
    schedule
  })
})

/** A conversation on the worker, which need not run. */
export const newSession = Effect.gen(function* () {
  const operator = yield* Operator
  return yield* operator.createSession(yield* Effect.scoped(runWorker))
})

export const send = (sessionId: Id<"sessions">, text: string, model: Option.Option<string> = Option.none()) =>
  Operator.use((operator) => operator.send(sessionId, text, model))

/** Waits for the end of a turn; gives its status, its error, and its text. */
export const answer = Effect.fnUntraced(function* (turnId: Id<"turns">) {
  const operator = yield* Operator
  const last = yield* Effect.flatMap(Stream.runLast(operator.follow(turnId)), Effect.fromOption)
  const parts = yield* operator.parts(turnId)
  const texts = parts.filter(({ kind }) => kind === "text").map(({ payload }) => String(JSON.parse(payload).text))
  const notices = parts.filter(({ kind }) => kind === "notice").map(({ payload }) => String(JSON.parse(payload).text))
  return { status: last.status, error: last.error?.message ?? "", text: texts.join("\n"), notices }
})

export const ask = (sessionId: Id<"sessions">, text: string, model?: string) =>
  Effect.flatMap(send(sessionId, text, Option.fromUndefinedOr(model)), answer)

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

/** Lets the model say something else until the test ends. */
export const script = (says: Script) =>
  ScriptedProvider.use((provider) => Effect.acquireRelease(provider.setScript(says), () => provider.setScript(echo)))

/** What is waited for is asked after this often; the test's limit is the limit. */
export const schedule = Schedule.spaced("50 millis")

/** OpenCode boots once, and slowly on a loaded machine. */
export const limit = { timeout: 120_000 }

/** Waits until some text of a turn's answer was streamed; a notice that OpenCode starts is no text. */
export const streaming = (turnId: Id<"turns">) =>
  Operator.use((operator) =>
    operator.follow(turnId).pipe(
      Stream.filter(({ deltas }) => deltas.some(({ segments }) => segments.some(({ kind }) => kind === "text"))),
      Stream.runHead
    )
  )

/** Waits for what a session asks a person, other than what was asked before. */
export const asked = (sessionId: Id<"sessions">, before?: PendingRequest) =>
  Operator.use((operator) =>
    operator.pending(sessionId).pipe(
      Stream.flattenIterable,
      Stream.filter(({ requestId }) => requestId !== before?.requestId),
      Stream.runHead,
      Effect.flatMap(Effect.fromOption)
    )
  )
