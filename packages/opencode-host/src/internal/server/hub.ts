/**
 * One connection to the server's event stream, for any number of listeners.
 *
 * ```
 *  GET /event ──▶ pump ──▶ hub ──▶ backlog (bounded) ──▶ listener
 *    ▲ backoff      │        └───▶ backlog (full: dropped, Gap) ──▶ slow listener
 *    └── error, stall, clean end: Gap at the next "server.connected"
 * ```
 *
 * The server replays nothing, so a Gap is sent once events flow again: what is read after it misses nothing.
 */
import type { Readable } from "node:stream"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { Gap, HostEvent } from "../../HostEvent.ts"
import type { OpenCodeEvent } from "../../OpenCodeClient.ts"
import type { OpenCodeServer } from "../../OpenCodeServer.ts"
import { eventLines } from "./eventLines.ts"
import { send } from "./http.ts"
import { bodyOf } from "./nodeFetch.ts"
import { unmarkedEvent } from "../plugin/mark.ts"

/** Events that a listener may lag behind; about 4 MB of text deltas. */
export const backlog = 8192

/** After a backlog was dropped: the listener reads again what it follows. */
export const overflow: Gap = { _tag: "Gap", cause: "overflow" }

export interface Hub {
  /** `accepts` keeps out of the backlog what the listener would only throw away; gaps always pass. */
  readonly listen: (
    accepts?: (event: OpenCodeEvent) => boolean
  ) => Effect.Effect<Queue.Dequeue<HostEvent>, never, Scope.Scope>
  /** Calls `receive` for each event, in the step in which it is published. */
  readonly subscribe: (receive: (event: HostEvent) => void) => Effect.Effect<void, never, Scope.Scope>
  readonly publish: (event: HostEvent) => Effect.Effect<void>
  readonly publishUnsafe: (event: HostEvent) => void
}

/** A full backlog is dropped whole. The listener receives a gap, after which it re-reads anyway. */
const offer = (queue: Queue.Queue<HostEvent>, event: HostEvent) => {
  if (Queue.offerUnsafe(queue, event)) return
  while (Queue.takeUnsafe(queue) !== undefined);
  Queue.offerUnsafe(queue, overflow)
}

export const makeHub = Effect.fnUntraced(function* () {
  const listeners = new Set<(event: HostEvent) => void>()
  const queues = new Set<Queue.Queue<HostEvent>>()
  yield* Effect.addFinalizer(() => Effect.forEach(queues, Queue.shutdown, { discard: true }))

  const subscribe: Hub["subscribe"] = (receive) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        listeners.add(receive)
      }),
      () => Effect.sync(() => listeners.delete(receive))
    )
  const publishUnsafe: Hub["publishUnsafe"] = (event) => {
    for (const receive of listeners) receive(event)
  }

  return {
    listen: (accepts = () => true) =>
      Effect.acquireRelease(
        Effect.tap(Queue.dropping<HostEvent>(backlog), (queue) => Effect.sync(() => queues.add(queue))),
        (queue) =>
          Effect.andThen(
            Effect.sync(() => queues.delete(queue)),
            Queue.shutdown(queue)
          )
      ).pipe(
        Effect.tap((queue) =>
          subscribe((event) => (event._tag === "Gap" || accepts(event.event) ? offer(queue, event) : undefined))
        )
      ),
    subscribe,
    publish: (event) => Effect.sync(() => publishUnsafe(event)),
    publishUnsafe
  } satisfies Hub
})

export interface PumpOptions {
  readonly hub: Hub
  readonly server: Pick<OpenCodeServer, "url" | "username" | "password">
  readonly directory: string
  /** Opened by the first connection. */
  readonly connected: Latch.Latch
  /** Called for whatever arrives, heartbeats too, and once a second for plain events: the server is alive. */
  readonly heard: Effect.Effect<void>
  /** Called for each event that is no heartbeat, and once for several that are plain: the server does something. */
  readonly active: (event: OpenCodeEvent) => Effect.Effect<void>
  /** Called when the connection ends, as it does when the server reloads its configuration. */
  readonly lost: Effect.Effect<void>
  /** Sent to the listeners at the first connection: an earlier server was lost. */
  readonly resumes: Gap["cause"] | undefined
}

/** OpenCode beats every 10 s; silence of 2.5 intervals is a dead connection. */
export const stallAfter = Duration.seconds(25)
/** While only plain events arrive, the time of the newest is reported this often. */
const reportMillis = 1_000
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

  let plain: OpenCodeEvent | undefined

  /** Passes plain events on, which are most of what arrives, without an effect. Returns the lines from the first other event on. */
  const receivePlain = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
    for (const [index, line] of lines.entries()) {
      // OpenCode sends each event as one line of data, without a name or an id.
      if (!line.startsWith(dataField)) continue
      const event = parse(line)
      if (!isEvent(event) || !isPlain(event)) return lines.slice(index)
      fruitless = 0
      plain = event
      hub.publishUnsafe({ _tag: "Event", event })
    }
    return []
  }

  const receiveAll = ([line, ...lines]: ReadonlyArray<string>): Effect.Effect<void, "error"> => {
    if (line === undefined) return Effect.void
    const event = parse(line)
    return event === unreadable
      ? Effect.fail("error")
      : Effect.andThen(
          receive(event),
          Effect.suspend(() => receiveAll(receivePlain(lines)))
        )
  }

  const connection = Effect.gen(function* () {
    const clock = yield* Clock.Clock
    let heardAt = clock.currentTimeMillisUnsafe()
    let reportAt = Number.NEGATIVE_INFINITY
    const handle = (lines: ReadonlyArray<string>) => {
      heardAt = clock.currentTimeMillisUnsafe()
      const left = receivePlain(lines)
      if (left.length === 0 && heardAt < reportAt) return undefined
      reportAt = heardAt + reportMillis
      return left
    }
    const report = Effect.suspend(() => {
      const event = plain
      plain = undefined
      return event === undefined ? heard : Effect.andThen(heard, active(event))
    })
    const read = (body: Readable) =>
      eventLines(body, handle).pipe(
        Effect.flatMap((lines) => Effect.andThen(report, receiveAll(lines))),
        Effect.forever,
        Effect.catch((end) => (end === "ended" ? Effect.void : Effect.fail(end))),
        Effect.ensuring(Effect.sync(() => body.destroy()))
      )
    // One timer for the connection, and none for each piece of text.
    const stall: Effect.Effect<never, "stall"> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const left = heardAt + Duration.toMillis(stallAfter) - now
      return left <= 0 ? Effect.fail("stall" as const) : Effect.andThen(Effect.sleep(left), stall)
    })
    const reading = Effect.flatMap(
      send(server, { operation: "events", path: "/event", directory }),
      (response): Effect.Effect<void, "error"> => {
        const body = bodyOf(response)
        return response.ok && body !== null ? read(body) : Effect.fail("error")
      }
    )
    return yield* Effect.raceFirst(reading, stall)
  }).pipe(
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

/** Whether an event is only passed on: it says nothing about the connection, and no tool is in it. */
const isPlain = (event: OpenCodeEvent): boolean => {
  switch (event.type) {
    case "message.part.delta":
    case "message.updated":
    case "session.diff":
    case "session.status":
    case "session.updated":
      return true
    case "message.part.updated":
      return event.properties.part.type !== "tool"
    default:
      return false
  }
}

const dataField = "data:"

const unreadable = Symbol("unreadable")

const parse = (line: string): unknown => {
  try {
    return JSON.parse(line.slice(dataField.length))
  } catch {
    return unreadable
  }
}

/** The payloads are OpenCode's own, typed by its SDK; only the envelope is checked. */
const isEvent = (input: unknown): input is OpenCodeEvent =>
  Predicate.hasProperty(input, "type") &&
  Predicate.isString(input.type) &&
  Predicate.hasProperty(input, "properties") &&
  Predicate.isObject(input.properties)
