import { createServer as createHttpServer } from "node:http"
import { connect, createServer, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Option, Scope, Stream } from "effect"
import { FaultProxy, type FaultProxyStats } from "../src/index.ts"

type Proxy = FaultProxy["Service"]

const listening = (server: Server) =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )

/** Sends everything back, and the end when it has sent everything. */
const echo = listening(createServer({ allowHalfOpen: true }, (socket) => socket.on("error", () => {}).pipe(socket)))

/** One connection through the proxy: what it received, and how it ended. */
interface Client {
  readonly socket: Socket
  readonly received: () => string
  readonly ended: Deferred.Deferred<string>
}

const client = Effect.fnUntraced(function* (proxy: Proxy) {
  const ended = yield* Deferred.make<string>()
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => connect({ host: "127.0.0.1", port: proxy.port })),
    (opened) => Effect.sync(() => opened.destroy())
  )
  let received = ""
  const end = (how: string) => Deferred.doneUnsafe(ended, Effect.succeed(how))
  socket.on("data", (bytes: Buffer) => (received += bytes.toString()))
  socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  socket.once("end", () => end("ended"))
  return { socket, received: () => received, ended } satisfies Client
})

const until = (proxy: Proxy, condition: (stats: FaultProxyStats) => boolean) =>
  proxy.changes.pipe(Stream.filter(condition), Stream.runHead, Effect.timeout("60 seconds"))

/** Waits until exactly this arrived. */
const receives = ({ received, socket }: Client, text: string) =>
  Effect.callback<void>((resume) => {
    const look = () => {
      if (received() === text) resume(Effect.void)
    }
    socket.on("data", look)
    look()
    return Effect.sync(() => socket.off("data", look))
  }).pipe(Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.die(`received "${received()}"`) }))

const how = ({ ended }: Client) => Effect.timeout(Deferred.await(ended), "5 seconds")

describe("FaultProxy", () => {
  it.live("forwards all bytes and the end of each direction, and counts them", () =>
    Effect.gen(function* () {
      const proxy = yield* FaultProxy.make({ port: yield* echo })
      const one = yield* client(proxy)
      const large = "0123456789".repeat(500_000)
      one.socket.end(large)
      assert.strictEqual(yield* how(one), "ended")
      assert.isTrue(one.received() === large)
      yield* until(proxy, ({ open }) => open === 0)
      const size = large.length
      assert.deepStrictEqual(yield* proxy.stats, {
        connections: 1,
        open: 0,
        refused: 0,
        toTarget: size,
        toClient: size
      })
    })
  )

  it.live("cut resets all connections, and new ones pass", () =>
    Effect.gen(function* () {
      const proxy = yield* FaultProxy.make({ port: yield* echo })
      const clients = yield* Effect.all([client(proxy), client(proxy)])
      for (const each of clients) {
        each.socket.write("hello")
        yield* receives(each, "hello")
      }
      yield* proxy.cut
      for (const each of clients) assert.strictEqual(yield* how(each), "ECONNRESET")
      assert.deepInclude(yield* proxy.stats, { connections: 2, open: 0 })

      const next = yield* client(proxy)
      next.socket.write("again")
      yield* receives(next, "again")
    })
  )

  it.live("refuse resets old and new connections until it is restored", () =>
    Effect.gen(function* () {
      const proxy = yield* FaultProxy.make({ port: yield* echo })
      const old = yield* client(proxy)
      old.socket.write("hello")
      yield* receives(old, "hello")
      yield* proxy.refuse
      assert.strictEqual(yield* how(old), "ECONNRESET")
      assert.strictEqual(yield* how(yield* client(proxy)), "ECONNRESET")
      assert.deepInclude(yield* proxy.stats, { connections: 1, refused: 1, open: 0 })

      yield* proxy.restore
      const next = yield* client(proxy)
      next.socket.write("again")
      yield* receives(next, "again")
    })
  )

  it.live("hold stops both directions, for new connections too, and restore forwards the held bytes", () =>
    Effect.gen(function* () {
      const proxy = yield* FaultProxy.make({ port: yield* echo })
      const old = yield* client(proxy)
      old.socket.write("a")
      yield* receives(old, "a")
      yield* proxy.hold()
      const fresh = yield* client(proxy)
      old.socket.write("b")
      fresh.socket.end("c")
      yield* until(proxy, ({ open }) => open === 2)
      assert.deepInclude(yield* proxy.stats, { toTarget: 1, toClient: 1 })
      assert.isFalse(yield* Deferred.isDone(fresh.ended))

      yield* proxy.restore
      yield* receives(old, "ab")
      yield* receives(fresh, "c")
      assert.strictEqual(yield* how(fresh), "ended")
    })
  )

  it.live("hold in one direction lets the other pass: the target acts, and the client receives no response", () =>
    Effect.gen(function* () {
      const proxy = yield* FaultProxy.make({ port: yield* echo })
      const one = yield* client(proxy)
      one.socket.write("a")
      yield* receives(one, "a")
      yield* proxy.hold("toClient")
      one.socket.write("b")
      yield* until(proxy, ({ toTarget }) => toTarget === 2)
      assert.strictEqual((yield* proxy.stats).toClient, 1)
      // A connection that is cut takes with it what it held.
      yield* proxy.cut
      yield* proxy.restore
      assert.strictEqual(yield* how(one), "ECONNRESET")
      assert.strictEqual(one.received(), "a")
    })
  )

  it.live("held bytes make their sender wait and do not fill the memory", () =>
    Effect.gen(function* () {
      const proxy = yield* FaultProxy.make({ port: yield* echo })
      const one = yield* client(proxy)
      yield* proxy.hold("toTarget")
      const megabytes = 32
      const allSent = yield* Deferred.make<void>()
      one.socket.once("drain", () => Deferred.doneUnsafe(allSent, Effect.void))
      for (let sent = 0; sent < megabytes; sent++) one.socket.write("x".repeat(1_000_000))
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Deferred.await(allSent), "1 second")))
      yield* proxy.restore
      yield* until(proxy, ({ toClient }) => toClient === megabytes * 1_000_000)
    })
  )

  it.live("delay keeps the order, and restore ends it for later bytes", () =>
    Effect.gen(function* () {
      const proxy = yield* FaultProxy.make({ port: yield* echo })
      const one = yield* client(proxy)
      yield* proxy.delay("100 millis")
      const start = yield* Clock.currentTimeMillis
      one.socket.write("a")
      yield* until(proxy, ({ toTarget }) => toTarget === 1)
      one.socket.write("b")
      yield* receives(one, "ab")
      // Twice a delay, there and back; a loaded machine only takes longer.
      assert.isAtLeast((yield* Clock.currentTimeMillis) - start, 195)
      yield* proxy.restore
      one.socket.write("c")
      yield* receives(one, "abc")
    })
  )

  it.live("resets the client when the target is unreachable or disconnects", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const accepted: Array<Socket> = []
      const port = yield* listening(createServer((socket) => accepted.push(socket.on("error", () => {})))).pipe(
        Scope.provide(scope)
      )
      const proxy = yield* FaultProxy.make({ port })
      const one = yield* client(proxy)
      one.socket.write("a")
      yield* until(proxy, ({ toTarget }) => toTarget === 1)
      for (const socket of accepted) socket.resetAndDestroy()
      assert.strictEqual(yield* how(one), "ECONNRESET")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* how(yield* client(proxy)), "ECONNRESET")
    })
  )

  it.live("closing resets the connections and frees the port", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const proxy = yield* FaultProxy.make({ port: yield* echo }).pipe(Scope.provide(scope))
      const one = yield* client(proxy)
      one.socket.write("a")
      yield* receives(one, "a")
      yield* proxy.hold()
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* how(one), "ECONNRESET")
      assert.strictEqual(yield* how(yield* client(proxy)), "ECONNREFUSED")
    })
  )

  it.live("forwards HTTP, and cut fails a request in flight", () =>
    Effect.gen(function* () {
      const port = yield* listening(
        createHttpServer((request, response) => {
          response.setHeader("connection", "close")
          if (request.url !== "/never") response.end("whole")
        })
      )
      const proxy = yield* FaultProxy.make({ port })
      const get = (path: string) =>
        Effect.tryPromise((signal) => fetch(`${proxy.url}${path}`, { signal }).then((response) => response.text()))
      assert.strictEqual(yield* get("/"), "whole")
      const pending = yield* Effect.forkChild(Effect.flip(get("/never")))
      yield* until(proxy, ({ open, connections }) => open === 1 && connections === 2)
      yield* proxy.cut
      const failure = yield* Effect.timeout(Fiber.join(pending), "5 seconds")
      assert.match(String(failure.cause), /fetch failed/)
    })
  )
})
