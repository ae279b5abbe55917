/**
 * One connection to the server's event stream, for any number of listeners.
 *
 * ```
 *  GET /event ──▶ pump ──▶ hub ──▶ queue (bounded) ──▶ listener
 *    ▲ backoff      │        └───▶ queue (full: dropped, Gap) ──▶ slow listener
 *    └── error, stall, clean end: Gap at the next "server.connected"
 * ```
 *
 * The server replays nothing, so a Gap is sent once events flow again: what is read after it misses nothing.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Gap, HostEvent } from "../../HostEvent.ts"
import type { OpenCodeEvent } from "../../OpenCodeClient.ts"
import type { OpenCodeServer } from "../../OpenCodeServer.ts"
import { send } from "./http.ts"
import { unmarkedEvent } from "../plugin/mark.ts"

/** Events that a listener may lag behind; about 4 MB of text deltas. */
const backlog = 8192

export interface Hub {
  /** `accepts` keeps out of the backlog what the listener would only throw away; gaps always pass. */
  readonly listen: (
    accepts?: (event: OpenCodeEvent) => boolean
  ) => Effect.Effect<Queue.Dequeue<HostEvent>, never, Scope.Scope>
  readonly publish: (event: HostEvent) => Effect.Effect<void>
}

/** A full backlog is dropped whole. The listener receives a gap, after which it re-reads anyway. */
const offer = (queue: Queue.Queue<HostEvent>, event: HostEvent) =>
  Queue.offerUnsafe(queue, event)
    ? Effect.void
    : Effect.andThen(Queue.clear(queue), Queue.offer(queue, { _tag: "Gap", cause: "overflow" }))

export const makeHub = Effect.fnUntraced(function* () {
  const listeners = new Map<Queue.Queue<HostEvent>, (event: OpenCodeEvent) => boolean>()
  yield* Effect.addFinalizer(() => Effect.forEach(listeners.keys(), Queue.shutdown, { discard: true }))

  return {
    listen: (accepts = () => true) =>
      Effect.acquireRelease(
        Effect.tap(Queue.dropping<HostEvent>(backlog), (queue) => Effect.sync(() => listeners.set(queue, accepts))),
        (queue) =>
          Effect.andThen(
            Effect.sync(() => listeners.delete(queue)),
            Queue.shutdown(queue)
          )
      ),
    publish: (event) =>
      Effect.forEach(
        listeners,
        ([queue, accepts]) => (event._tag === "Gap" || accepts(event.event) ? offer(queue, event) : Effect.void),
        { discard: true }
      )
  } satisfies Hub
})

export interface PumpOptions {
  readonly hub: Hub
  readonly server: Pick<OpenCodeServer, "url" | "username" | "password">
  readonly directory: string
  /** Opened by the first connection. */
  readonly connected: Latch.Latch
  /** Called for whatever arrives, heartbeats too: the server is alive. */
  readonly heard: Effect.Effect<void>
  /** Called for each event that is no heartbeat: the server does something. */
  readonly active: (event: OpenCodeEvent) => Effect.Effect<void>
  /** Called when the connection ends, as it does when the server reloads its configuration. */
  readonly lost: Effect.Effect<void>
  /** Sent to the listeners at the first connection: an earlier server was lost. */
  readonly resumes: Gap["cause"] | undefined
}

/** OpenCode beats every 10 s; silence of 2.5 intervals is a dead connection. */
export const stallAfter = Duration.seconds(25)
const firstDelayMillis = 250
const maxDelayMillis = 10_000

/** Never returns: reads, reconnects, and marks the gaps. */
export const pump = Effect.fnUntraced(function* (options: PumpOptions) {
  const { hub, server, directory, connected, heard, active, lost, resumes } = options
  let gap = resumes
  // Attempts since the last event that carried something: a server that says hello and dies must not be a hot loop.
  let fruitless = 0

  const publish = (event: OpenCodeEvent) => hub.publish({ _tag: "Event", event })

  const receive = Effect.fnUntraced(function* (event: unknown) {
    if (!isEvent(event)) return
    if (event.type === "server.connected") {
      if (gap !== undefined) yield* hub.publish({ _tag: "Gap", cause: gap })
      gap = undefined
      yield* connected.open
      return
    }
    fruitless = 0
    if (event.type === "server.instance.disposed") yield* lost
    // A heartbeat is known to the server, but not to the SDK's types.
    if ((event.type as string) === "server.heartbeat") return
    yield* active(event)
    yield* publish(unmarkedEvent(event))
  })

  const connection = send(server, { operation: "events", path: "/event", directory }).pipe(
    Effect.flatMap(({ body, ok }) => (ok && body !== null ? Effect.succeed(body) : Effect.fail("error" as const))),
    Effect.map((body) => Stream.fromReadableStream({ evaluate: () => body, onError: () => "error" as const })),
    Stream.unwrap,
    Stream.timeoutOrElse({ duration: stallAfter, orElse: () => Stream.fail("stall" as const) }),
    Stream.tap(() => heard),
    Stream.decodeText(),
    Stream.splitLines,
    // OpenCode sends each event as one line of data, without a name or an id.
    Stream.filter((line) => line.startsWith(dataField)),
    Stream.runForEach((line) => Effect.flatMap(parse(line.slice(dataField.length)), receive)),
    Effect.as("ended" as const),
    Effect.catch((error) => Effect.succeed(error === "stall" ? error : ("error" as const))),
    // A defect in reading an event costs the connection and makes a gap; later events still arrive.
    Effect.catchDefect((defect) =>
      Effect.as(
        Effect.logWarning("The event stream of OpenCode is reconnected after a defect", defect),
        "error" as const
      )
    )
  )

  const reconnect = Effect.gen(function* () {
    const cause = yield* connection
    yield* lost
    gap ??= cause
    const delay = Math.min(firstDelayMillis * 2 ** fruitless, maxDelayMillis)
    fruitless += 1
    yield* Effect.sleep(Duration.millis(delay * (yield* Random.nextBetween(0.75, 1.25))))
  })
  return yield* Effect.forever(reconnect)
})

const dataField = "data:"

const parse = (data: string): Effect.Effect<unknown, "error"> =>
  Effect.try({ try: () => JSON.parse(data), catch: () => "error" as const })

/** The payloads are OpenCode's own, typed by its SDK; only the envelope is checked. */
const isEvent = (input: unknown): input is OpenCodeEvent =>
  Predicate.hasProperty(input, "type") &&
  Predicate.isString(input.type) &&
  Predicate.hasProperty(input, "properties") &&
  Predicate.isObject(input.properties)
