import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { Deferred, Effect, Layer, Option, Schedule, Stream } from "effect"
import { createServer, type Server } from "node:http"
import { join } from "node:path"
import { answerRequests } from "../src/Asking.ts"
import type { DataFolder } from "../src/DataFolder.ts"
import { Deployment } from "../src/Deployment.ts"
import { Operator } from "../src/Operator.ts"
import { stack } from "../src/Stack.ts"
import { makeWorker } from "../src/Worker.ts"

/** Says which prompt of the conversation it answers; after a tool, what the tool said. */
const echo: Script = ({ lastUserText, prompts, toolResults }) =>
  Reply.text(toolResults.at(-1)?.output ?? `${prompts.length}: ${lastUserText}`)

/** An embedded deployment, a scripted model and the real OpenCode, whose web access is to be asked for. */
const world = Layer.unwrap(
  Effect.gen(function* () {
    const { config } = yield* ScriptedProvider
    const home = yield* OpenCodeHome.make({ config: { ...config, permission: { webfetch: "ask" } } })
    const folder: DataFolder = {
      root: home.root,
      deployment: join(home.root, "deployment"),
      operator: join(home.root, "operator.json"),
      worker: () => join(home.root, "worker.json"),
      demo: home.root
    }
    const options = { directory: home.directory, environment: home.environment, start: "eager" } as const
    return stack(options).pipe(
      Layer.provideMerge(Deployment.serve(folder, Option.none())),
      Layer.merge(Layer.succeed(OpenCodeHome, home))
    )
  })
).pipe(Layer.provideMerge(Layer.merge(ScriptedProvider.layer(echo), NodeServices.layer)))

/** Runs the worker for as long as the scope, and gives its id. */
const runWorker = Effect.gen(function* () {
  const home = yield* OpenCodeHome
  const operator = yield* Operator
  const { lifecycle, workerId } = yield* makeWorker({
    machine: "test",
    directory: home.directory,
    credentials: join(home.root, "worker.json"),
    processId: "test",
    onPairingCode: operator.approve
  })
  yield* lifecycle.send(WorkerEvent.cases.Start.make({}))
  yield* lifecycle.awaitState("Ready")
  return yield* Effect.flatMap(workerId, Effect.fromOption)
})

/** A conversation on the worker, which need not run. */
const newSession = Effect.gen(function* () {
  const operator = yield* Operator
  return yield* operator.createSession(yield* Effect.scoped(runWorker))
})

const send = (sessionId: Id<"sessions">, text: string, model: Option.Option<string> = Option.none()) =>
  Operator.use((operator) => operator.send(sessionId, text, model))

/** Waits for the end of a turn; gives its status, its error, and its text. */
const answer = Effect.fnUntraced(function* (turnId: Id<"turns">) {
  const operator = yield* Operator
  const last = yield* Effect.flatMap(Stream.runLast(operator.follow(turnId)), Effect.fromOption)
  const parts = yield* operator.parts(turnId)
  const texts = parts.filter(({ kind }) => kind === "text").map(({ payload }) => String(JSON.parse(payload).text))
  const notices = parts.filter(({ kind }) => kind === "notice").map(({ payload }) => String(JSON.parse(payload).text))
  return { status: last.status, error: last.error?.message ?? "", text: texts.join("\n"), notices }
})

const ask = (sessionId: Id<"sessions">, text: string, model?: string) =>
  Effect.flatMap(send(sessionId, text, Option.fromUndefinedOr(model)), answer)

/** The address of a page on this machine. */
const servedPage = Effect.acquireRelease(
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
const script = (says: Script) =>
  ScriptedProvider.use((provider) => Effect.acquireRelease(provider.setScript(says), () => provider.setScript(echo)))

/** What is waited for is asked after this often; the test's limit is the limit. */
const schedule = Schedule.spaced("50 millis")

/** OpenCode boots once, and slowly on a loaded machine. */
const limit = { timeout: 60_000 }

layer(world, { excludeTestServices: true, timeout: 120_000 })("a worker", (it) => {
  it.effect(
    "answers what was asked while it was away, in order, once",
    () =>
      Effect.gen(function* () {
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        const before = (yield* provider.stats).chats
        const turns = yield* Effect.forEach(["one", "two", "three"], (text) => send(sessionId, text))
        yield* runWorker
        const answers = yield* Effect.forEach(turns, answer)
        assert.deepStrictEqual(
          answers.map(({ text }) => text),
          ["1: one", "2: two", "3: three"]
        )
        assert.strictEqual((yield* provider.stats).chats - before, 3)
      }),
    limit
  )

  it.effect(
    "runs conversations beside each other, and one prompt of a conversation at a time",
    () =>
      Effect.gen(function* () {
        const operator = yield* Operator
        const workerId = yield* runWorker
        const gate = yield* Deferred.make<void>()
        yield* script((request) =>
          request.lastUserText.includes("wait")
            ? Reply.sequence([Reply.wait(Deferred.await(gate)), Reply.text("waited")])
            : echo(request)
        )
        const [held, free] = [yield* operator.createSession(workerId), yield* operator.createSession(workerId)]
        const first = yield* send(held, "wait")
        const second = yield* send(held, "after")
        assert.strictEqual((yield* ask(free, "beside")).text, "1: beside")
        assert.deepInclude(yield* operator.status(second), { status: "queued" })
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* answer(first)).text, "waited")
        assert.strictEqual((yield* answer(second)).text, "2: after")
      }),
    limit
  )

  it.effect(
    "says why a prompt failed, and goes on with the conversation",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        const unknown = yield* ask(sessionId, "hello", "nobody/nothing")
        assert.deepInclude(unknown, { status: "failed" })
        assert.match(unknown.error, /No model "nobody\/nothing"/)
        yield* script(() => Reply.status(401, { message: "the key is not valid" }))
        const refused = yield* ask(sessionId, "hello")
        assert.deepInclude(refused, { status: "failed" })
        assert.match(refused.error, /the key is not valid/)
        yield* script(echo)
        assert.deepInclude(yield* ask(sessionId, "again"), { status: "completed" })
      }),
    limit
  )

  it.effect(
    "brings what OpenCode asks to the operator, and the answer back",
    () =>
      Effect.gen(function* () {
        const operator = yield* Operator
        const page = yield* servedPage
        const sessionId = yield* newSession
        yield* runWorker
        yield* script((request) =>
          request.toolResults.length === 0 ? Reply.toolCall("webfetch", { url: page, format: "text" }) : echo(request)
        )
        const asked = operator
          .pending(sessionId)
          .pipe(Stream.flattenIterable, Stream.runHead, Effect.flatMap(Effect.fromOption))
        const allowed = yield* send(sessionId, "look it up")
        const request = yield* asked
        assert.strictEqual(request.subject, `webfetch: ${page}`)
        yield* operator.answer(request.requestId, { type: "once" })
        assert.deepInclude(yield* answer(allowed), { status: "completed", text: "the page says hello" })

        const refused = yield* send(sessionId, "and again")
        const again = yield* Effect.repeat(asked, { until: ({ requestId }) => requestId !== request.requestId })
        yield* operator.answer(again.requestId, { type: "reject", message: "look in the cache instead" })
        const { status, text } = yield* answer(refused)
        assert.strictEqual(status, "completed")
        assert.match(text, /look in the cache instead/)
      }),
    limit
  )

  it.effect(
    "lets the model go on where nobody is there to be asked",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        yield* script((request) =>
          request.toolResults.length === 0
            ? Reply.toolCall("webfetch", { url: "http://127.0.0.1:9/", format: "text" })
            : echo(request)
        )
        yield* Effect.forkScoped(answerRequests(sessionId, false))
        const { status, text } = yield* ask(sessionId, "look it up")
        assert.strictEqual(status, "completed")
        assert.match(text, /Nobody can be asked for permission here/)
      }),
    limit
  )

  it.effect(
    "stops an answer when told to, and keeps what was said",
    () =>
      Effect.gen(function* () {
        const operator = yield* Operator
        const sessionId = yield* newSession
        yield* runWorker
        yield* script(() => Reply.sequence([Reply.text("so far so good"), Reply.hang]))
        const turnId = yield* send(sessionId, "go on for ever")
        yield* operator.follow(turnId).pipe(
          Stream.filter(({ deltas }) => deltas.length > 0),
          Stream.runHead
        )
        yield* operator.abort(turnId)
        assert.deepInclude(yield* answer(turnId), { status: "aborted", text: "so far so good" })
        yield* script(echo)
        assert.deepInclude(yield* ask(sessionId, "and now?"), { status: "completed" })
      }),
    limit
  )

  it.effect(
    "renames and deletes in OpenCode what is renamed and deleted here",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const operator = yield* Operator
        const sessionId = yield* newSession
        yield* runWorker
        yield* ask(sessionId, "hello")
        const inOpenCode = Effect.map(client.sessions.list(), (all) =>
          all.find(({ metadata }) => metadata?.["opencodeWorkerSession"] === sessionId)
        )
        yield* operator.rename(sessionId, "a better title")
        yield* Effect.repeat(inOpenCode, { until: (session) => session?.title === "a better title", schedule })
        yield* operator.remove(sessionId)
        yield* Effect.repeat(inOpenCode, { until: (session) => session === undefined, schedule })
        yield* Effect.repeat(operator.session(sessionId), { until: (session) => session === null, schedule })
      }),
    limit
  )

  it.effect(
    "begins nothing while it is paused",
    () =>
      Effect.gen(function* () {
        const operator = yield* Operator
        const sessionId = yield* newSession
        const workerId = yield* runWorker
        const phase = Effect.map(operator.workers, (all) => all.find((each) => each.workerId === workerId)?.phase)
        yield* operator.pause(workerId)
        yield* Effect.repeat(phase, { until: (now) => now === "paused", schedule })
        const turnId = yield* send(sessionId, "hello")
        assert.deepInclude(yield* operator.status(turnId), { status: "queued" })
        yield* operator.resume(workerId)
        assert.deepInclude(yield* answer(turnId), { status: "completed" })
      }),
    limit
  )

  it.effect(
    "shows what was begun in OpenCode itself, and goes on with it",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const operator = yield* Operator
        yield* runWorker
        const { id } = yield* client.sessions.create({ title: "begun elsewhere" })
        const mirrored = Effect.map(operator.sessions, ({ page }) =>
          page.filter(({ title }) => title === "begun elsewhere")
        )
        const [session] = yield* Effect.repeat(mirrored, { until: (found) => found.length > 0, schedule })
        assert.deepInclude(session, { origin: "opencode" })
        if (session !== undefined) assert.strictEqual((yield* ask(session.sessionId, "hello")).text, "1: hello")
        const { messages } = yield* client.messages.list(id)
        assert.strictEqual(messages.length, 2)
        assert.strictEqual((yield* mirrored).length, 1)
      }),
    limit
  )

  it.effect(
    "begins anew, and says so, when OpenCode has lost the conversation",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const sessionId = yield* newSession
        const known = new Set((yield* client.sessions.list()).map(({ id }) => id))
        yield* Effect.scoped(Effect.andThen(runWorker, ask(sessionId, "remember me")))
        for (const { id } of yield* client.sessions.list()) if (!known.has(id)) yield* client.sessions.remove(id)
        yield* runWorker
        const { notices, text } = yield* ask(sessionId, "who am I?")
        assert.strictEqual(text, "1: who am I?")
        assert.match(notices.join(), /no longer had this conversation/)
        assert.deepStrictEqual((yield* ask(sessionId, "and now?")).notices, [])
      }),
    limit
  )
})
