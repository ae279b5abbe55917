/**
 * A TCP proxy on 127.0.0.1 that breaks connections on command, in front of any TCP server.
 *
 * ```
 *                 refuse, cut        hold, delay
 *   client ──▶ accepted or reset ──▶ ─ toTarget ─▶ ──▶ target
 *                                ◀── ◀─ toClient ─
 * ```
 *
 * Invariants
 * - Without a fault it forwards all bytes in order, and the end of each direction separately.
 * - Held and delayed bytes are forwarded later, unless their connection is cut. An open connection never loses bytes.
 * - Closing the scope resets all connections and frees the port.
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

/** The server behind the proxy. While it is unreachable, clients are reset. */
export interface Target {
  /** Default: 127.0.0.1. */
  readonly host?: string
  readonly port: number
}

/** `toTarget`: bytes from clients. `toClient`: bytes from the server. */
export type Direction = "toTarget" | "toClient"

/** Counts since the proxy started. */
export interface Stats {
  /** Accepted connections. */
  readonly connections: number
  /** Connections that are open now. */
  readonly open: number
  /** Connections that `refuse` reset. */
  readonly refused: number
  /** Forwarded bytes, by direction. */
  readonly toTarget: number
  readonly toClient: number
}

/**
 * **When to use**
 *
 * Use to test how a program behaves when the network to a server fails, with the real client and the real server.
 * HTTP, WebSockets and any other protocol over TCP pass through.
 */
export class FaultProxy extends Context.Service<
  FaultProxy,
  {
    readonly port: number
    /** `http://127.0.0.1:PORT` */
    readonly url: string
    /** Resets all connections. New ones pass. */
    readonly cut: Effect.Effect<void>
    /** Resets all connections, and each new one. */
    readonly refuse: Effect.Effect<void>
    /** Stops forwarding in this direction, or in both. Connections stay open and new ones are accepted. */
    readonly hold: (direction?: Direction) => Effect.Effect<void>
    /** Forwards bytes that arrive from now on after this delay, in both directions. */
    readonly delay: (by: Duration.Input) => Effect.Effect<void>
    /** Ends `refuse`, `hold` and `delay`. Forwards the held bytes. */
    readonly restore: Effect.Effect<void>
    readonly stats: Effect.Effect<Stats>
    /** The current `Stats`, then each change. Use it to wait for a condition. */
    readonly changes: Stream.Stream<Stats>
  }
>()("@opencode-worker/testkit/FaultProxy") {
  static readonly make = (target: Target): Effect.Effect<FaultProxy["Service"], TestkitError, Scope.Scope> =>
    make(target)

  static readonly layer = (target: Target): Layer.Layer<FaultProxy, TestkitError> =>
    Layer.effect(FaultProxy, make(target))
}

/** Bytes that one connection may queue in one direction. Beyond that, the sender waits. */
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

  /** Forwards the bytes of `from` until its end. */
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
  // Acquired last, so that it is released first: the port is closed when no connection is left.
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

/** Resets the other side too. A connection in progress has no other side yet. */
const reset = (socket: Socket): unknown => (socket.connecting ? socket.destroy() : socket.resetAndDestroy())
