import { createServer, type Server, type Socket } from "node:net"
import { assert, describe, layer, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Scope, Stream, Schedule } from "effect"
import { ConvexClient, type ConvexClientError, isConvexClientError, isTransient } from "../src/index.ts"
import { guardedSocket } from "../src/internal/guardedSocket.ts"
import { api } from "./convex/notes.ts"
import { brokenDeployment } from "./support/brokenDeployment.ts"
import { connection, Deployment } from "./support/deployment.ts"

const reasonOf = <A>(call: Effect.Effect<A, ConvexClientError>) => Effect.map(Effect.flip(call), ({ reason }) => reason)

const moreThanOne = (connections: () => number) =>
  Effect.repeat(Effect.sync(connections), {
    until: (count) => count > 1,
    schedule: Schedule.spaced("20 millis")
  })

layer(Deployment.layer, { excludeTestServices: true })("ConvexClient", (test) => {
  test.effect("calls functions with the identity of its token", () =>
    Effect.gen(function* () {
      const ann = yield* connection("ann")
      yield* ann.mutation(api.notes.add, { key: "1" })
      assert.deepStrictEqual(yield* ann.query(api.notes.list, {}), ["1"])
      assert.deepStrictEqual(yield* (yield* connection("ben")).query(api.notes.list, {}), [])
    })
  )

  test.effect("a subscription emits the current result and each later one", () =>
    Effect.gen(function* () {
      const bob = yield* connection("bob")
      const last = yield* Effect.forkChild(
        bob.subscribe(api.notes.list, {}).pipe(
          Stream.takeUntil(({ length }) => length === 2),
          Stream.runCollect
        ),
        { startImmediately: true }
      )
      yield* bob.mutation(api.notes.add, { key: "1" })
      yield* bob.mutation(api.notes.add, { key: "2" })
      assert.deepStrictEqual((yield* Fiber.join(last)).at(-1), ["1", "2"])
    })
  )

  test.effect("a ConvexError fails with Rejected, its code, message and data", () =>
    Effect.gen(function* () {
      const cid = yield* connection("cid")
      const data = { code: "NotFound", message: "There is no such note", key: 1 }
      const error = yield* Effect.flip(cid.action(api.notes.refuse, { data }))
      assert.strictEqual(error.message, "notes:refuse: There is no such note")
      assert.deepInclude(error.reason, { _tag: "Rejected", code: "NotFound", data })
      assert.isFalse(isTransient(error))
      assert.isTrue(isConvexClientError(error))
      assert.deepInclude(yield* reasonOf(cid.action(api.notes.refuse, { data: "no" })), { code: "ConvexError" })
    })
  )

  test.effect("Effect.catchReason selects a reason by its tag", () =>
    Effect.gen(function* () {
      const cid = yield* connection("cid")
      const code = yield* cid
        .action(api.notes.refuse, { data: { code: "Busy" } })
        .pipe(Effect.catchReason("ConvexClientError", "Rejected", (reason) => Effect.succeed(reason.code)))
      assert.strictEqual(code, "Busy")
    })
  )

  test.effect("a subscription fails when its query fails later", () =>
    Effect.gen(function* () {
      const dan = yield* connection("dan")
      const none = yield* Effect.forkChild(reasonOf(Stream.runDrain(dan.subscribe(api.notes.none, {}))), {
        startImmediately: true
      })
      yield* dan.mutation(api.notes.add, { key: "1" })
      assert.deepInclude(yield* Fiber.join(none), { code: "NotEmpty" })
    })
  )

  test.effect("an error about refused arguments does not contain the secret", () =>
    Effect.gen(function* () {
      const eve = yield* connection("eve")
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an invalid id
      const args = { id: "no id" as never, secret: "hunter2-hunter2" }
      const error = yield* Effect.flip(eve.mutation(api.notes.withSecret, args))
      assert.strictEqual(error.reason._tag, "FunctionFailed")
      assert.match(error.message, /ArgumentValidationError/)
      assert.notInclude(`${error.message} ${JSON.stringify(error)} ${Cause.pretty(Cause.fail(error))}`, "hunter2")
    })
  )

  test.effect("without a token the client is anonymous", () =>
    Effect.gen(function* () {
      const { url } = yield* Deployment
      for (const auth of [{}, { auth: Effect.succeed(null) }]) {
        const client = yield* ConvexClient.make({ url, ...auth })
        assert.deepInclude(yield* reasonOf(client.query(api.notes.list, {})), { code: "Unauthenticated" })
      }
    })
  )

  test.effect("a token source that fails is retried; calls wait for it", () =>
    Effect.gen(function* () {
      const { token } = yield* Deployment
      let attempts = 0
      const auth = Effect.suspend(() => {
        attempts += 1
        return attempts === 1 ? Effect.fail("not yet") : Effect.promise(() => token("ida"))
      })
      const client = yield* connection("ida", { auth })
      assert.deepStrictEqual(yield* client.query(api.notes.list, {}), [])
      assert.strictEqual(attempts, 2)
    })
  )

  test.effect("more mutations than may be in flight all succeed, in the order of the calls", () =>
    Effect.gen(function* () {
      const fay = yield* connection("fay")
      const keys = Array.from({ length: 250 }, (_, index) => `${index}`)
      yield* Effect.forEach(keys, (key) => fay.mutation(api.notes.add, { key }), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* fay.query(api.notes.list, {}), keys)
    })
  )

  test.effect("reports the state of the connection, and closes with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(connection("gus"), scope)
      const states = yield* Effect.forkChild(Stream.runCollect(client.connection), { startImmediately: true })
      yield* client.query(api.notes.list, {})
      yield* Scope.close(scope, Exit.void)
      const seen = yield* Fiber.join(states)
      assert.strictEqual(seen.at(-1), "closed")
      assert.include(seen, "connected")
      const afterwards = [
        client.query(api.notes.list, {}),
        client.mutation(api.notes.ping, {}),
        Stream.runHead(client.subscribe(api.notes.list, {}))
      ]
      for (const call of afterwards) assert.strictEqual((yield* reasonOf<unknown>(call))._tag, "Closed")
    })
  )

  test.effect("a waiting call fails with Closed when the client closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(ConvexClient.make({ url: "http://127.0.0.1:9" }), scope)
      const call = yield* Effect.forkChild(reasonOf(client.mutation(api.notes.ping, {})), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(call))._tag, "Closed")
    })
  )

  test.effect("a client is replaced after a fatal error: calls wait, subscriptions continue", () =>
    Effect.gen(function* () {
      const real = yield* Deployment
      const { url, connections } = yield* brokenDeployment(
        JSON.stringify({ type: "FatalError", error: "gone" }),
        real.url
      )
      const client = yield* connection("jan", { url })
      const states = yield* Effect.forkChild(
        client.connection.pipe(
          Stream.takeUntil((state) => state === "connected"),
          Stream.runCollect
        ),
        { startImmediately: true }
      )
      const notes = yield* Effect.forkChild(Stream.runHead(client.subscribe(api.notes.list, {})), {
        startImmediately: true
      })
      yield* moreThanOne(connections)
      assert.strictEqual(yield* client.mutation(api.notes.ping, {}), "pong")
      assert.deepInclude(yield* Fiber.join(notes), { value: [] })
      assert.notInclude(yield* Fiber.join(states), "closed")
      assert.strictEqual(connections(), 2)
    })
  )

  test.effect("a client is replaced after three time-outs in a row", () =>
    Effect.gen(function* () {
      const real = yield* Deployment
      // Neither a transition that the client waits for, nor an error.
      const { url, connections } = yield* brokenDeployment(JSON.stringify({ type: "Ping" }), real.url)
      const client = yield* ConvexClient.make({ url, queryTimeout: "200 millis" })
      const reasons = yield* Effect.all(Array.from({ length: 3 }, () => reasonOf(client.query(api.notes.list, {}))))
      assert.deepStrictEqual(new Set(reasons.map(({ _tag }) => _tag)), new Set(["Timeout"]))
      yield* moreThanOne(connections)
      assert.strictEqual(yield* client.mutation(api.notes.ping, {}), "pong")
    })
  )
})

describe("ConvexClient without a deployment", () => {
  it.live("a socket that emits an error and no close event is closed, and its client is disposed in time", () =>
    Effect.gen(function* () {
      const silent = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server = createServer(() => undefined)
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const sockets = new Set<Socket>()
      silent.on("connection", (socket: Socket) => sockets.add(socket))
      yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
      const address = silent.address()
      const port = typeof address === "object" ? address?.port : undefined
      const Guarded = guardedSocket({ onSend: () => undefined, onThrow: () => undefined })
      const socket = new Guarded(`ws://127.0.0.1:${port}/`)
      const closed = Effect.callback<number>((resume) => {
        socket.addEventListener("close", ({ code }) => resume(Effect.succeed(code)))
        socket.dispatchEvent(new Event("error"))
      })
      assert.strictEqual(yield* closed, 1006)
      socket.close()
      const scope = yield* Scope.make()
      yield* Scope.provide(ConvexClient.make({ url: `http://127.0.0.1:${port}` }), scope)
      yield* Scope.close(scope, Exit.void).pipe(Effect.timeout("60 seconds"))
    }).pipe(Effect.scoped)
  )

  it.live("an invalid URL fails with InvalidUrl, without repeating the URL", () =>
    Effect.gen(function* () {
      for (const url of ["", "nonsense", "ftp://user:hunter2@host"]) {
        const error = yield* Effect.flip(ConvexClient.make({ url }))
        assert.strictEqual(error.reason._tag, "InvalidUrl")
        assert.notInclude(error.message, "hunter2")
      }
    })
  )

  it.live("without a server, calls fail with Unreachable at their time limit, which is transient", () =>
    Effect.gen(function* () {
      const limit = "100 millis"
      const client = yield* ConvexClient.make({
        url: "http://127.0.0.1:9",
        mutationTimeout: limit,
        queryTimeout: limit
      })
      for (const call of [client.mutation(api.notes.ping, {}), client.query(api.notes.list, {})]) {
        const error = yield* Effect.flip<unknown, ConvexClientError, never>(call)
        assert.strictEqual(error.reason._tag, "Unreachable")
        assert.isTrue(isTransient(error))
      }
    })
  )

  it.live(
    "a fatal error is not an uncaught exception, and another connection is tried",
    () =>
      Effect.gen(function* () {
        const { url, connections } = yield* brokenDeployment(
          JSON.stringify({ type: "FatalError", error: "no such deployment" })
        )
        const client = yield* ConvexClient.make({ url, queryTimeout: "5 seconds" })
        const error = yield* Effect.flip(client.query(api.notes.list, {}))
        assert.isTrue(isTransient(error))
        assert.isAbove(connections(), 1)
      }),
    25_000
  )

  it.live(
    "an unreadable message is not an uncaught exception, and the client reconnects",
    () =>
      Effect.gen(function* () {
        const { url, connections } = yield* brokenDeployment("not even JSON")
        const client = yield* ConvexClient.make({ url })
        yield* client.connection.pipe(
          Stream.filter(() => connections() > 1),
          Stream.runHead,
          Effect.timeout("60 seconds")
        )
        assert.isAbove(connections(), 1)
      }),
    25_000
  )
})
