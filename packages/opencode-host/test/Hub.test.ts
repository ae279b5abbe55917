import { Readable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Latch, Queue, Redacted, Ref } from "effect"
import { TestClock } from "effect/testing"
import type { HostEvent } from "../src/index.ts"
import { eventLines } from "../src/internal/server/eventLines.ts"
import { Fetch } from "../src/internal/server/http.ts"
import { makeHub, pump } from "../src/internal/server/hub.ts"

/** One connection: frames, then it ends, or stays open and silent. */
interface Connection {
  readonly status?: number
  readonly events: ReadonlyArray<string>
  readonly after: "end" | "silence"
}

const hello = "server.connected"
const frame = (type: string) => new TextEncoder().encode(`data: ${JSON.stringify({ type, properties: {} })}\n\n`)

const body = ({ events, after }: Connection) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const event of events) controller.enqueue(frame(event))
      if (after === "end") controller.close()
    }
  })

/** Runs a pump against a server that plays `connections`, the last one repeatedly. */
const setting = Effect.fnUntraced(function* (...connections: ReadonlyArray<Connection>) {
  const attempts = yield* Ref.make<ReadonlyArray<number>>([])
  const hub = yield* makeHub()
  const connected = yield* Latch.make()
  const respond = () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const times = yield* Ref.updateAndGet(attempts, (before) => [...before, now])
      const connection = connections[Math.min(times.length, connections.length) - 1]
      if (connection === undefined) return yield* Effect.never
      return new Response(body(connection), { status: connection.status ?? 200 })
    })
  const server = { url: "http://127.0.0.1:1", username: "opencode", password: Redacted.make("x") } as const
  const listener = yield* hub.listen()
  yield* pump({
    hub,
    server,
    directory: "/d",
    connected,
    heard: Effect.void,
    active: () => Effect.void,
    lost: Effect.void,
    resumes: undefined
  }).pipe(Effect.provideService(Fetch, respond), Effect.forkScoped({ startImmediately: true }))
  return { hub, listener, attempts, connected }
})

const names = (events: ReadonlyArray<HostEvent>) =>
  events.map((event) => (event._tag === "Gap" ? `gap: ${event.cause}` : event.event.type))

const taken = (listener: Queue.Dequeue<HostEvent>, count: number) =>
  Effect.map(Effect.replicateEffect(Queue.take(listener), count), names)

describe("the event hub", () => {
  it.effect("passes events on, without the connection's own", () =>
    Effect.gen(function* () {
      const events = [hello, "session.idle", "server.heartbeat", "session.error"]
      const { listener, connected } = yield* setting({ events, after: "silence" })
      yield* connected.await
      assert.deepStrictEqual(yield* taken(listener, 2), ["session.idle", "session.error"])
    })
  )

  it.effect("reconnects after a clean end, and reports the gap when events flow again", () =>
    Effect.gen(function* () {
      const { listener } = yield* setting(
        { events: [hello, "session.idle"], after: "end" },
        { events: [hello, "session.error"], after: "silence" }
      )
      assert.deepStrictEqual(yield* taken(listener, 1), ["session.idle"])
      yield* settle
      assert.strictEqual(yield* Queue.size(listener), 0)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* taken(listener, 2), ["gap: ended", "session.error"])
    })
  )

  it.effect("reports one gap for several failed attempts, with the first cause", () =>
    Effect.gen(function* () {
      const { listener } = yield* setting(
        { events: [hello, "session.idle"], after: "end" },
        { events: [], after: "end", status: 500 },
        { events: [hello], after: "silence" }
      )
      yield* taken(listener, 1)
      yield* advance(10)
      assert.deepStrictEqual(yield* taken(listener, 1), ["gap: ended"])
      assert.strictEqual(yield* Queue.size(listener), 0)
    })
  )

  it.effect("takes silence of two and a half heartbeats for a dead connection, and no less", () =>
    Effect.gen(function* () {
      const { listener, attempts } = yield* setting(
        { events: [hello], after: "silence" },
        { events: [hello, "session.idle"], after: "silence" }
      )
      yield* settle
      yield* TestClock.adjust("24 seconds")
      yield* settle
      assert.strictEqual((yield* Ref.get(attempts)).length, 1)
      yield* advance(3)
      assert.deepStrictEqual(yield* taken(listener, 2), ["gap: stall", "session.idle"])
    })
  )

  it.effect("takes an event that it chokes on for a lost connection, and goes on", () =>
    Effect.gen(function* () {
      const { hub, listener } = yield* setting(
        { events: [hello, "session.idle"], after: "silence" },
        { events: [hello, "session.error"], after: "silence" }
      )
      yield* hub.listen(({ type }) => {
        if (type === "session.idle") throw new Error("a listener that chokes")
        return true
      })
      yield* advance(2)
      assert.deepStrictEqual(yield* taken(listener, 3), ["session.idle", "gap: error", "session.error"])
    })
  )

  it.live("reads a long event, such as one with a file, in time that grows with its length only", () =>
    Effect.gen(function* () {
      const pieces = Array<Uint8Array>(512).fill(new TextEncoder().encode("é".repeat(32_768)))
      const stream = Readable.from([Buffer.from("data: "), ...pieces, Buffer.from("\ndata: next\nda")])
      const before = process.cpuUsage()
      const lines = yield* eventLines(stream, (found) => (found.length === 0 ? undefined : found))
      const { system, user } = process.cpuUsage(before)
      assert.deepStrictEqual(
        lines.map((line) => line.length),
        ["data: ".length + 512 * 32_768, "data: next".length]
      )
      assert.isBelow((system + user) / 1_000, 2_000)
    })
  )

  it.effect("is no hot loop against a server that says hello and leaves", () =>
    Effect.gen(function* () {
      const { attempts } = yield* setting({ events: [hello], after: "end" })
      yield* advance(60)
      // 0.25, 0.5, 1, 2, 4, 8 s and then 10 s apart, a quarter more or less: 11 in a minute.
      const times = yield* Ref.get(attempts)
      assert.isAtLeast(times.length, 7)
      assert.isAtMost(times.length, 14)
    })
  )

  it.effect("drops the backlog of a listener that is too slow, and sends it a gap", () =>
    Effect.gen(function* () {
      const { hub, listener } = yield* setting({ events: [], after: "silence" })
      const event = { id: "evt_1", type: "session.idle", properties: { sessionID: "ses_1" } } as const
      const fast = yield* hub.listen()
      for (let index = 0; index < 8193; index++) {
        yield* hub.publish({ _tag: "Event", event })
        yield* Queue.take(fast)
      }
      assert.deepStrictEqual(yield* taken(listener, 1), ["gap: overflow"])
      yield* hub.publish({ _tag: "Event", event })
      assert.deepStrictEqual(yield* taken(listener, 1), ["session.idle"])
      assert.strictEqual(yield* Queue.size(fast), 1)
    })
  )
})

/** Lets what reads the response's stream (promises, not the clock) go on. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const advance = (seconds: number) =>
  Effect.replicateEffect(Effect.andThen(TestClock.adjust("1 second"), settle), seconds, { discard: true })
