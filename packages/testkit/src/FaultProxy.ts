/**
 * A TCP proxy on 127.0.0.1 that breaks connections when it is told to, in front of anything that speaks over TCP.
 *
 * ```
 *                 refuse, cut        hold, delay
 *   client ──▶ accepted or reset ──▶ ─ toTarget ─▶ ──▶ target
 *                                ◀── ◀─ toClient ─
 * ```
 *
 * Invariants
 * - While it is asked for nothing it changes nothing: all bytes, in order, and the end of each direction by itself.
 * - What is held or delayed is passed on later, unless its connection is cut: bytes are never lost within a connection.
 * - Closing the scope resets all connections and frees the port.
 *
 * @since 0.1.0
 */
import { connect, createServer, type Socket } from "node:net"
import {
  type Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  FiberSet,
  Latch,
  Layer,
  Queue,
  type Scope,
  Stream,
  SubscriptionRef
} from "effect"
import { listen } from "./internal/listen.ts"
import type { TestkitError } from "./TestkitError.ts"

/**
 * Where the connections go to. It need not be there: a client is reset when it is not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  /** Default: 127.0.0.1. */
  readonly host?: string
  readonly port: number
}

/**
 * `toTarget`: what clients send. `toClient`: what they are answered.
 *
 * @category models
 * @since 0.1.0
 */
export type Direction = "toTarget" | "toClient"

/**
 * What went through the proxy so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Accepted in all. */
  readonly connections: number
  /** Open at this moment. */
  readonly open: number
  /** Reset at once, because of `refuse`. */
  readonly refused: number
  /** Bytes passed on, by direction. */
  readonly toTarget: number
  readonly toClient: number
}

/**
 * **When to use**
 *
 * Use in tests of what a program does when the network fails between it and a server, with the real client and the real
 * server: HTTP, WebSockets and any other protocol over TCP pass through.
 *
 * @category services
 * @since 0.1.0
 */
export class FaultProxy extends Context.Service<
  FaultProxy,
  {
    readonly port: number
    /** `http://127.0.0.1:PORT` */
    readonly url: string
    /** Resets all connections now. New ones pass. */
    readonly cut: Effect.Effect<void>
    /** Resets all connections, and new ones as soon as they are made. */
    readonly refuse: Effect.Effect<void>
    /** Nothing is passed on in this direction, or in both: connections stay open, new ones are made, and all are silent. */
    readonly hold: (direction?: Direction) => Effect.Effect<void>
    /** What arrives from now on is passed on this much later, in both directions. */
    readonly delay: (by: Duration.Input) => Effect.Effect<void>
    /** Ends `refuse`, `hold` and `delay`. What was held is passed on. */
    readonly restore: Effect.Effect<void>
    readonly stats: Effect.Effect<Stats>
    /** The current `Stats`, then each change: the condition to wait for. */
    readonly changes: Stream.Stream<Stats>
  }
>()("@opencode-worker/testkit/FaultProxy") {
  /** @since 0.1.0 */
  static readonly make = (target: Target): Effect.Effect<FaultProxy["Service"], TestkitError, Scope.Scope> =>
    make(target)

  /** @since 0.1.0 */
  static readonly layer = (target: Target): Layer.Layer<FaultProxy, TestkitError> =>
    Layer.effect(FaultProxy, make(target))
}

/** Bytes of one connection that may wait in one direction; beyond, its sender has to wait. */
const mostWaiting = 1_000_000

const make = Effect.fnUntraced(function* ({ host = "127.0.0.1", port: targetPort }: Target) {
  const gates = { toTarget: yield* Latch.make(true), toClient: yield* Latch.make(true) }
  const both = [gates.toTarget, gates.toClient]
  const stats = yield* SubscriptionRef.make<Stats>({ connections: 0, open: 0, refused: 0, toTarget: 0, toClient: 0 })
  const clock = yield* Clock.Clock
  let refusing = false
  let delayMillis = 0

  const add = (more: Partial<Stats>) =>
    SubscriptionRef.update(stats, (now) => ({
      connections: now.connections + (more.connections ?? 0),
      open: now.open + (more.open ?? 0),
      refused: now.refused + (more.refused ?? 0),
      toTarget: now.toTarget + (more.toTarget ?? 0),
      toClient: now.toClient + (more.toClient ?? 0)
    }))

  /** Passes on what `from` sends, until its end. */
  const pass = Effect.fnUntraced(function* (from: Socket, to: Socket, direction: Direction) {
    const chunks = yield* Queue.make<{ readonly bytes: Buffer; readonly due: number }, Cause.Done>()
    let waiting = 0
    from.on("data", (bytes: Buffer) => {
      waiting += bytes.length
      if (waiting > mostWaiting) from.pause()
      Queue.offerUnsafe(chunks, { bytes, due: clock.currentTimeMillisUnsafe() + delayMillis })
    })
    from.once("end", () => Queue.endUnsafe(chunks))
    yield* Stream.fromQueue(chunks).pipe(
      Stream.runForEach(
        Effect.fnUntraced(function* ({ bytes, due }) {
          yield* Effect.sleep(Math.max(0, due - clock.currentTimeMillisUnsafe()))
          yield* gates[direction].await
          yield* write(to, bytes)
          yield* add({ [direction]: bytes.length })
          waiting -= bytes.length
          if (waiting <= mostWaiting) from.resume()
        })
      )
    )
    yield* gates[direction].await
    to.end()
  })

  const connection = Effect.fnUntraced(function* (client: Socket) {
    const target = connect({ host, port: targetPort, allowHalfOpen: true, noDelay: true })
    const broken = yield* Deferred.make<void>()
    for (const socket of [client, target]) socket.once("error", () => Deferred.doneUnsafe(broken, Effect.void))
    const whole = Effect.all(
      [pass(client, target, "toTarget"), pass(target, client, "toClient"), closed(client), closed(target)],
      { concurrency: "unbounded" }
    )
    yield* Effect.raceFirst(whole, Deferred.await(broken)).pipe(
      Effect.ensuring(Effect.sync(() => [client, target].forEach(reset)))
    )
  })

  const accept = (client: Socket) => {
    const counted = Effect.acquireUseRelease(
      add({ connections: 1, open: 1 }),
      () => connection(client),
      () => add({ open: -1 })
    )
    const refused = Effect.andThen(
      add({ refused: 1 }),
      Effect.sync(() => reset(client))
    )
    run(refusing ? refused : counted)
  }

  const port = yield* listen("fault proxy", () => createServer({ allowHalfOpen: true, noDelay: true }, accept))
  // Made last, so that it ends first: the port is closed when no connection is left.
  const connections = yield* FiberSet.make()
  const run = yield* FiberSet.runtime(connections)()
  const cut = FiberSet.clear(connections)

  return FaultProxy.of({
    port,
    url: `http://127.0.0.1:${port}`,
    cut,
    refuse: Effect.andThen(
      Effect.sync(() => {
        refusing = true
      }),
      cut
    ),
    hold: (direction) =>
      Effect.forEach(direction === undefined ? both : [gates[direction]], Latch.close, { discard: true }),
    delay: (by) =>
      Effect.sync(() => {
        delayMillis = Duration.toMillis(by)
      }),
    restore: Effect.andThen(
      Effect.sync(() => {
        refusing = false
        delayMillis = 0
      }),
      Effect.forEach(both, Latch.open, { discard: true })
    ),
    stats: SubscriptionRef.get(stats),
    changes: SubscriptionRef.changes(stats)
  })
})

const write = (socket: Socket, bytes: Buffer): Effect.Effect<void> =>
  Effect.callback((resume) => {
    socket.write(bytes, () => resume(Effect.void))
  })

const closed = (socket: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    socket.once("close", () => resume(Effect.void))
  })

/** So that the other side is told at once. A connection that is still being made has nobody to tell. */
const reset = (socket: Socket): unknown => (socket.connecting ? socket.destroy() : socket.resetAndDestroy())
