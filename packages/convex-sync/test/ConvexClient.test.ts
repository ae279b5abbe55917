import { createServer, type Server, type Socket } from "node:net"
import { assert, describe, layer, it } from "@effect/vitest"
import { makeFunctionReference } from "convex/server"
import { Cause, Effect, Exit, Fiber, Scope, Stream, Schedule } from "effect"
import { api, connect, ConvexClient, ConvexSyncError, isLoss, isTransient } from "../src/index.ts"
import { guardedSocket } from "../src/internal/guardedSocket.ts"
import { brokenDeployment } from "./support/brokenDeployment.ts"
import { connection, Deployment, pair, signature } from "./support/deployment.ts"

const reasonOf = <A>(call: Effect.Effect<A, ConvexSyncError>) => Effect.map(Effect.flip(call), ({ reason }) => reason)

const rejection = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)

const begin = { machine: "m", directory: "/d", secretHash: "0".repeat(64) }

layer(Deployment.layer, { excludeTestServices: true })("ConvexClient", (test) => {
  test.effect("calls a mutation and a query as the person whose token it has", () =>
    Effect.gen(function* () {
      const operator = yield* connection("ann")
      const { workerId } = yield* pair(operator)
      const workers = yield* operator.query(api.workers.list, {})
      assert.deepStrictEqual(
        workers.map((worker) => worker.workerId),
        [workerId]
      )
    })
  )

  test.effect("a subscription gives the result and each later one", () =>
    Effect.gen(function* () {
      const operator = yield* connection("bob")
      const lengths = yield* Effect.forkChild(
        operator.subscribe(api.workers.list, {}).pipe(
          Stream.map((workers) => workers.length),
          Stream.takeUntil((length) => length === 2),
          Stream.runCollect
        ),
        { startImmediately: true }
      )
      yield* pair(operator)
      yield* pair(operator)
      assert.strictEqual((yield* Fiber.join(lengths)).at(-1), 2)
    })
  )

  test.effect("a refusal has its code and message", () =>
    Effect.gen(function* () {
      const operator = yield* connection("cid")
      const error = yield* Effect.flip(operator.action(api.pairing.approve, { code: "0000-0000" }))
      assert.deepNestedInclude(error, {
        operation: "pairing:approve",
        "reason._tag": "Rejected",
        "reason.code": "NotFound"
      })
      assert.match(error.message, /^pairing:approve: No worker shows this code/)
      assert.isFalse(isLoss(error) || isTransient(error))
    })
  )

  test.effect("a subscription fails as its query does, also later", () =>
    Effect.gen(function* () {
      const operator = yield* connection("dan")
      const credentials = yield* pair(operator)
      const { secret, workerId } = signature(credentials, 0)
      const { epoch } = yield* operator.mutation(api.lease.acquire, { workerId, secret, processId: "p" })
      const ready = yield* Effect.forkChild(
        operator.subscribe(api.queue.ready, { workerId, secret, epoch, limit: 1 }).pipe(Stream.runDrain, Effect.flip),
        { startImmediately: true }
      )
      yield* operator.mutation(api.workers.revoke, { workerId })
      const error = yield* Fiber.join(ready)
      assert.isTrue(isLoss(error))
    })
  )

  test.effect("what the deployment says of refused arguments has no secret in it", () =>
    Effect.gen(function* () {
      const operator = yield* connection("eve")
      const args = { workerId: "no id", secret: "hunter2-hunter2", epoch: 1 }
      const wrong = makeFunctionReference<"mutation", typeof args>("lease:release")
      const error = yield* Effect.flip(operator.mutation(wrong, args))
      assert.strictEqual(error.reason._tag, "FunctionFailed")
      assert.match(error.message, /ArgumentValidationError/)
      assert.notInclude(`${error.message} ${JSON.stringify(error)} ${Cause.pretty(Cause.fail(error))}`, "hunter2")
    })
  )

  test.effect("without a token it is nobody", () =>
    Effect.gen(function* () {
      const { url } = yield* Deployment
      for (const auth of [{}, { auth: Effect.succeed(null) }]) {
        const client = yield* ConvexClient.make({ url, ...auth })
        const reason = yield* reasonOf(client.query(api.workers.list, {}))
        assert.deepNestedInclude(reason, { code: "Unauthenticated" })
      }
    })
  )

  test.effect("a source of tokens that fails is asked again; calls wait for it", () =>
    Effect.gen(function* () {
      const { url, token } = yield* Deployment
      let asked = 0
      const auth = Effect.suspend(() => {
        asked += 1
        return asked === 1 ? Effect.fail("not yet") : Effect.promise(() => token("ida"))
      })
      const client = yield* ConvexClient.make({ url, auth })
      assert.deepStrictEqual(yield* client.query(api.workers.list, {}), [])
      assert.strictEqual(asked, 2)
    })
  )

  test.effect("more mutations than may be in flight all succeed, in the order of the calls", () =>
    Effect.gen(function* () {
      const operator = yield* connection("fay")
      const { workerId } = yield* pair(operator)
      const sessionId = yield* operator.mutation(api.sessions.create, { workerId, idempotencyKey: "s" })
      yield* Effect.forEach(
        Array.from({ length: 250 }, (_, index) => `${index}`),
        (text) => operator.mutation(api.turns.send, { sessionId, text, idempotencyKey: text }),
        { concurrency: "unbounded" }
      )
      const { page } = yield* operator.query(api.turns.list, {
        sessionId,
        paginationOpts: { numItems: 20, cursor: null }
      })
      assert.deepStrictEqual(
        page.map(({ text }) => text),
        Array.from({ length: 20 }, (_, index) => `${index}`)
      )
    })
  )

  test.effect("says how the connection is, and closes for good with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(connection("gus"), scope)
      const states = yield* Effect.forkChild(Stream.runCollect(client.connection), { startImmediately: true })
      yield* client.query(api.workers.list, {})
      yield* Scope.close(scope, Exit.void)
      const seen = yield* Fiber.join(states)
      assert.strictEqual(seen.at(-1), "closed")
      assert.include(seen, "connected")
      const afterwards = [
        client.query(api.workers.list, {}),
        client.mutation(api.pairing.begin, begin),
        Stream.runHead(client.subscribe(api.workers.list, {}))
      ]
      for (const call of afterwards) assert.strictEqual((yield* reasonOf<unknown>(call))._tag, "Closed")
    })
  )

  test.effect("who waits for an answer when it closes is told so", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(ConvexClient.make({ url: "http://127.0.0.1:9" }), scope)
      const call = yield* Effect.forkChild(reasonOf(client.mutation(api.pairing.begin, begin)), {
        startImmediately: true
      })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(call))._tag, "Closed")
    })
  )

  test.effect("one that was ended for good is replaced: calls wait, subscriptions go on", () =>
    Effect.gen(function* () {
      const real = yield* Deployment
      const { url, connections } = yield* brokenDeployment(
        JSON.stringify({ type: "FatalError", error: "gone" }),
        real.url
      )
      const client = yield* ConvexClient.make({ url, auth: Effect.promise(() => real.token("ida")) })
      const states = yield* Effect.forkChild(
        client.connection.pipe(
          Stream.takeUntil((state) => state === "connected"),
          Stream.runCollect
        ),
        { startImmediately: true }
      )
      const workers = yield* Effect.forkChild(Stream.runHead(client.subscribe(api.workers.list, {})), {
        startImmediately: true
      })
      yield* Effect.repeat(Effect.sync(connections), {
        until: (count) => count > 1,
        schedule: Schedule.spaced("20 millis")
      })
      assert.property(yield* client.mutation(api.pairing.begin, begin), "code")
      assert.deepInclude(yield* Fiber.join(workers), { value: [] })
      assert.notInclude(yield* Fiber.join(states), "closed")
      assert.strictEqual(connections(), 2)
    })
  )

  test.effect("one that answers nothing any more is replaced", () =>
    Effect.gen(function* () {
      const real = yield* Deployment
      // Not a transition that the client waits for, and no error either.
      const { url, connections } = yield* brokenDeployment(JSON.stringify({ type: "Ping" }), real.url)
      const client = yield* ConvexClient.make({ url, queryTimeout: "200 millis" })
      const reasons = yield* Effect.all(Array.from({ length: 3 }, () => reasonOf(client.query(api.workers.list, {}))))
      assert.deepStrictEqual(new Set(reasons.map(({ _tag }) => _tag)), new Set(["Timeout"]))
      yield* Effect.repeat(Effect.sync(connections), {
        until: (count) => count > 1,
        schedule: Schedule.spaced("20 millis")
      })
      assert.property(yield* client.mutation(api.pairing.begin, begin), "code")
    })
  )

  test.effect("is there for async/await, too", () =>
    Effect.gen(function* () {
      const { url, token } = yield* Deployment
      const lengths = yield* Effect.promise(async () => {
        await using client = await connect({ url, auth: () => token("hal") })
        const seen: Array<number> = []
        for await (const workers of client.subscribe(api.workers.list, {})) {
          seen.push(workers.length)
          if (workers.length === 1) break
          const { code } = await client.mutation(api.pairing.begin, begin)
          await client.action(api.pairing.approve, { code })
        }
        return [...seen, (await client.query(api.workers.list, {})).length]
      })
      assert.deepStrictEqual(lengths, [0, 1, 1])
    })
  )

  test.effect("async/await: a call rejects with signal.reason after an abort and with Closed after disposal", () =>
    Effect.gen(function* () {
      const { url } = yield* Deployment
      yield* Effect.promise(async () => {
        const client = await connect({ url })
        const reason = new Error("the user left")
        const controller = new AbortController()
        const called = rejection(
          client.mutation(api.pairing.begin, begin, { idempotent: true, signal: controller.signal })
        )
        controller.abort(reason)
        assert.strictEqual(await called, reason)
        assert.property(await client.mutation(api.pairing.begin, begin, { idempotent: true }), "code")
        await client[Symbol.asyncDispose]()
        const closed = await rejection(client.query(api.workers.list, {}))
        assert.instanceOf(closed, ConvexSyncError)
        assert.strictEqual(closed.reason._tag, "Closed")
      })
    })
  )
})

describe("ConvexClient without a deployment", () => {
  it.live("a socket that reports an error and does not close is closed, and its client is disposed of in time", () =>
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
      yield* Scope.close(scope, Exit.void).pipe(Effect.timeout("10 seconds"))
    }).pipe(Effect.scoped)
  )

  it.live("an unusable URL is refused, without repeating what may be secret in it", () =>
    Effect.gen(function* () {
      for (const url of ["", "nonsense", "ftp://user:hunter2@host"]) {
        const error = yield* Effect.flip(ConvexClient.make({ url }))
        assert.strictEqual(error.reason._tag, "InvalidUrl")
        assert.notInclude(error.message, "hunter2")
      }
    })
  )

  it.live("nobody listens: calls fail within their limit, and may be repeated", () =>
    Effect.gen(function* () {
      const limit = "100 millis"
      const client = yield* ConvexClient.make({
        url: "http://127.0.0.1:9",
        mutationTimeout: limit,
        queryTimeout: limit
      })
      const calls = [client.mutation(api.pairing.begin, begin), client.query(api.workers.list, {})]
      for (const call of calls) {
        const error = yield* Effect.flip<unknown, ConvexSyncError, never>(call)
        assert.strictEqual(error.reason._tag, "Unreachable")
        assert.isTrue(isTransient(error))
      }
    })
  )

  it.live(
    "a fatal error is not thrown at the process, and another connection is tried",
    () =>
      Effect.gen(function* () {
        const { url, connections } = yield* brokenDeployment(
          JSON.stringify({ type: "FatalError", error: "no such deployment" })
        )
        const client = yield* ConvexClient.make({ url, queryTimeout: "5 seconds" })
        const error = yield* Effect.flip(client.query(api.workers.list, {}))
        assert.isTrue(isTransient(error))
        assert.isAbove(connections(), 1)
      }),
    25_000
  )

  it.live(
    "what cannot be understood makes it connect anew, and is not thrown at the process",
    () =>
      Effect.gen(function* () {
        const { url, connections } = yield* brokenDeployment("not even JSON")
        const client = yield* ConvexClient.make({ url })
        yield* client.connection.pipe(
          Stream.filter(() => connections() > 1),
          Stream.runHead,
          Effect.timeout("20 seconds")
        )
        assert.isAbove(connections(), 1)
      }),
    25_000
  )
})
