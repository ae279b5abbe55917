/** `opencode-worker start --attach`, at the server of the world. */
import { createServer } from "node:http"
import { join } from "node:path"
import { text as textOf } from "node:stream/consumers"
import { assert } from "@effect/vitest"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Redacted, Stream } from "effect"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { Client } from "@opencode-worker/client/effect"
import { type Running, until } from "@opencode-worker/harness"
import * as command from "../support/command.ts"
import { answer, asked, echo, schedule, script, servedPage, viewOf } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

const says = (running: Running, pattern: RegExp) => Effect.promise(() => running.prints(pattern))

/** `opencode-worker start` for the home's deployment, at the server that runs there. */
const attach = Effect.fnUntraced(function* (address: string, password: string, ...args: ReadonlyArray<string>) {
  const { directory } = yield* OpenCodeHome
  const { url } = yield* EmbeddedDeployment
  const options = { root: yield* command.home, environment: { OPENCODE_SERVER_PASSWORD: password } }
  return yield* command.start(options, "start", "--url", url, "--directory", directory, "--attach", address, ...args)
})

const adopted = (worker: Running) =>
  Effect.promise(() => until(() => worker.stderr().includes("was adopted"), "the adopted turn", worker.stderr))

/** The deployment shows a machine as gone 25 s after its last heartbeat. */
const isFull = process.env["TEST_FULL"] !== undefined

/** A receiver of notifications on this machine. `waitFor` resolves when one of the kind has arrived. */
const receiver = Effect.gen(function* () {
  const kinds: Array<string> = []
  const accept = (body: string): number => {
    kinds.push(JSON.parse(body).kind)
    return 204
  }
  const server = createServer(
    (request, response) => void textOf(request).then((body) => response.writeHead(accept(body)).end())
  )
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () => Effect.sync(() => server.close())
  )
  const address = server.address()
  const port = typeof address === "object" ? address?.port : undefined
  // The functions of the deployment run in this process.
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      process.env["OPENCODE_WORKER_NOTIFY_LOCAL"] = "1"
    }),
    () =>
      Effect.sync(() => {
        delete process.env["OPENCODE_WORKER_NOTIFY_LOCAL"]
      })
  )
  return {
    url: `http://127.0.0.1:${port}/hook`,
    waitFor: (kind: string) =>
      Effect.promise(() =>
        until(
          () => kinds.includes(kind),
          `a notification of the kind ${kind}`,
          () => kinds.join()
        )
      )
  }
})

const inherit = ["--permissions", "inherit", "--print-pairing-code"]

export const attachTests = inWorld("opencode-worker start --attach", (it) => {
  it.effect(
    "answers through a running server, and leaves it running",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const { client, server } = yield* OpenCodeHost
        const { password, url } = yield* server
        const before = yield* client.sessions.list()
        const worker = yield* attach(url, Redacted.value(password), ...inherit)
        const [, code = ""] = yield* says(worker, /^Pairing code +(\S+)/m)
        const workerId = yield* operator.call(({ workers }) => workers.approve(code))
        yield* says(worker, /^Ready/m)
        yield* says(worker, /^OpenCode +[\d.]+, at http:/m)
        const sessionId = yield* operator.call(({ sessions }) => sessions.create(workerId))
        const turnId = yield* operator.call(({ turns }) => turns.send(sessionId, "hello"))
        yield* Stream.runDrain(operator.stream(({ turns }) => turns.follow(turnId)))
        assert.include(JSON.stringify(yield* operator.call(({ turns }) => turns.parts(turnId))), "1: hello")

        worker.kill("SIGTERM")
        assert.strictEqual((yield* Effect.promise(() => worker.ended)).code, 0)
        assert.strictEqual((yield* client.sessions.list()).length, before.length + 1)
        assert.strictEqual((yield* server).url, url)
      }),
    { timeout: 120_000 }
  )

  it.effect(
    "keeps a request open when the worker is killed and when it stops, brings an answer that was given meanwhile, and notifies",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const provider = yield* ScriptedProvider
        const page = yield* servedPage
        const notified = yield* receiver
        yield* operator.call(({ notifications }) => notifications.add({ kind: "webhook", url: notified.url }))
        const data = join((yield* OpenCodeHome).root, "attached")
        const { password, url } = yield* (yield* OpenCodeHost).server
        yield* script((request) =>
          request.toolResults.length === 0
            ? Reply.sequence([
                Reply.text("I look it up."),
                Reply.toolCall("webfetch", { url: page, format: "text", timeout: 30 })
              ])
            : echo(request)
        )
        const begin = Effect.gen(function* () {
          const worker = yield* attach(url, Redacted.value(password), ...inherit, "--data", data)
          const [, code] = yield* says(worker, /^(?:Pairing code +(\S+)|Ready)/m)
          const approved = code === undefined ? [] : [yield* operator.call(({ workers }) => workers.approve(code))]
          yield* says(worker, /^Ready/m)
          return { worker, approved }
        })
        const {
          worker: first,
          approved: [workerId]
        } = yield* begin
        if (workerId === undefined) return yield* Effect.die("The first start needs no approval")
        const sessionId = yield* operator.call(({ sessions }) => sessions.create(workerId))
        const { chats } = yield* provider.stats
        const turnId = yield* operator.call(({ turns }) => turns.send(sessionId, "look it up"))
        const request = yield* asked(sessionId)
        first.kill("SIGKILL")
        yield* Effect.promise(() => first.ended)
        yield* notified.waitFor("asked")
        if (isFull) yield* notified.waitFor("gone")

        const { worker: second } = yield* begin
        yield* adopted(second)
        assert.strictEqual((yield* asked(sessionId)).requestId, request.requestId)
        // The first signal waits for running turns, the second stops.
        second.kill("SIGTERM")
        yield* Effect.repeat(
          operator.call(({ workers }) => workers.list()),
          { until: (all) => all.some((one) => one.workerId === workerId && one.phase === "draining"), schedule }
        )
        second.kill("SIGTERM")
        yield* Effect.promise(() => second.ended)
        assert.strictEqual((yield* viewOf(turnId)).status, "running")
        yield* operator.call(({ requests }) => requests.answer(request, { type: "once" }))

        yield* begin
        const { notices, status, text } = yield* answer(turnId)
        assert.strictEqual(status, "completed", notices.join("\n"))
        assert.strictEqual(text, "I look it up.\nthe page says hello")
        assert.strictEqual((yield* provider.stats).chats - chats, 2)
        const other = yield* operator.call(({ sessions }) => sessions.create(workerId))
        const failing = yield* operator.call(({ turns }) => turns.send(other, "hello", { model: "scripted/none" }))
        assert.strictEqual((yield* answer(failing)).status, "failed")
        yield* notified.waitFor("finished")
        yield* notified.waitFor("failed")
      }),
    { timeout: 360_000 }
  )

  it.effect(
    "ends without a pairing code if the server refuses the password",
    () =>
      Effect.gen(function* () {
        const { server } = yield* OpenCodeHost
        const worker = yield* attach((yield* server).url, "a wrong one", ...inherit)
        const { code, stderr, stdout } = yield* Effect.promise(() => worker.ended)
        assert.strictEqual(code, 78, stderr)
        assert.match(stderr, /refuses the password/)
        assert.notMatch(stdout, /Pairing code/)
      }),
    { timeout: 120_000 }
  )

  it.effect(
    "ends without a pairing code at an untested version, unless it is allowed",
    () =>
      Effect.gen(function* () {
        const untested = yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const server = createServer((_, response) => response.end('{"healthy":true,"version":"1.99.1"}'))
            server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close().closeAllConnections())
        )
        const at = untested.address()
        const address = `http://127.0.0.1:${typeof at === "object" ? at?.port : ""}`
        const refused = yield* attach(address, "", ...inherit)
        const { code, stderr, stdout } = yield* Effect.promise(() => refused.ended)
        assert.strictEqual(code, 78, stderr)
        assert.match(stderr, /OpenCode 1\.99\.1 is not supported.*--allow-untested-version/)
        assert.notMatch(stdout, /Pairing code/)
        const allowed = yield* attach(address, "", ...inherit, "--allow-untested-version")
        yield* says(allowed, /^OpenCode +1\.99\.1, at http:/m)
        yield* says(allowed, /^Pairing code/m)
      }),
    { timeout: 120_000 }
  )

  it.effect(
    "refuses addresses of other machines, and flags that a running server cannot fulfil",
    () =>
      Effect.gen(function* () {
        for (const [address, args, sentence] of [
          ["http://10.0.0.1:4096", inherit, /on this machine/],
          ["opencode", inherit, /on this machine/],
          ["http://127.0.0.1:4096", [], /--permissions inherit/],
          ["http://127.0.0.1:4096", [...inherit, "--idle-timeout", "1 minute"], /leave out --idle-timeout/]
        ] as const) {
          const worker = yield* attach(address, "", ...args)
          const { code, stderr } = yield* Effect.promise(() => worker.ended)
          assert.strictEqual(code, 78, stderr)
          assert.match(stderr, sentence)
        }
      }),
    { timeout: 120_000 }
  )
})
