/**
 * Writes streamed text of many turns with few calls.
 *
 * Invariants
 * - One write is in flight for all turns, with the text that has waited long enough (of 50 turns at most).
 * - A turn's writes are numbered from 1 without reuse; a write that is repeated has the same numbers and the same text.
 * - The text in memory is bounded by `capacity`. A turn beyond it gets no more live text; its final parts have everything.
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import * as DeltaBuffer from "./DeltaBuffer.ts"
import { type DeltaEntry, newEntry } from "./internal/deltaEntry.ts"
import { countWrite } from "./internal/metrics.ts"
import { resubscribe } from "./internal/resubscribe.ts"
import { Lease } from "./Lease.ts"
import { retryTransient } from "@opencode-worker/effect-convex"

/** Text of one turn in one write. */
export interface Batch {
  readonly turnId: Id<"turns">
  readonly seq: number
  readonly segments: ReadonlyArray<DeltaBuffer.Segment>
}

/**
 * Writes all batches or none, and skips a batch that was written before. Returns the turns that a client watches; returning
 * nothing means all.
 */
export type DeltaStore = (
  batches: ReadonlyArray<Batch>
) => Effect.Effect<void | { readonly watched: ReadonlyArray<Id<"turns">> }, ConvexSyncError>

export interface DeltaWriterOptions {
  /** Depends on whether a client watches. Default `DeltaBuffer.flushPolicyOf`: 250 ms or 4 kB; without a watcher 10 s or 16 kB. */
  readonly flushPolicy?: (isWatched: boolean) => DeltaBuffer.FlushPolicy
  /** Text that may wait while the deployment is unreachable, in UTF-16 code units over all turns. Default 1,000,000. */
  readonly capacity?: number
  /** How long closing waits for the last write. Default 2 seconds. */
  readonly closeTimeout?: Duration.Input
}

export class DeltaWriter extends Context.Service<
  DeltaWriter,
  {
    /** Returns at once. A turn's first text is written at once, later text is buffered. */
    readonly append: (turnId: Id<"turns">, segment: DeltaBuffer.Segment) => Effect.Effect<void>
    /**
     * Writes the buffered text of the turn, and waits until it is written, also while the deployment is unreachable. Fails
     * if the deployment refuses the text.
     */
    readonly flush: (turnId: Id<"turns">) => Effect.Effect<void, ConvexSyncError>
    /** Flushes, then removes the turn, also after a failure. Call it once, when no more text follows. */
    readonly end: (turnId: Id<"turns">) => Effect.Effect<void, ConvexSyncError>
    /**
     * Removes a turn whose final parts replace its text. Buffered text is flushed only if a client watches and it fits into
     * one write.
     */
    readonly discard: (turnId: Id<"turns">) => Effect.Effect<void, ConvexSyncError>
    /** Goes on with a turn of an earlier process, after the write with the number `seq`. Before its first text. */
    readonly resume: (turnId: Id<"turns">, seq: number) => Effect.Effect<void>
    /** Reports turns that a client watches, until a write reports otherwise. */
    readonly markWatched: (turnIds: ReadonlyArray<Id<"turns">>) => Effect.Effect<void>
  }
>()("@opencode-worker/convex-sync/DeltaWriter") {
  /** A writer over any store. Closing the scope writes the buffered text. */
  static readonly make = (
    write: DeltaStore,
    options?: DeltaWriterOptions
  ): Effect.Effect<DeltaWriter["Service"], never, Scope.Scope> => open(write, options)

  /** Writes under the lease; one writer serves all turns of a worker. */
  static readonly layer = (options?: DeltaWriterOptions): Layer.Layer<DeltaWriter, never, Lease> =>
    Layer.effect(
      DeltaWriter,
      Effect.gen(function* () {
        const lease = yield* Lease
        const writer = yield* DeltaWriter.make(deltaStore(lease), options)
        // Without it, a client that begins to watch a silent turn would wait for its next text.
        yield* resubscribe(lease.subscribe(api.deltas.watched, {})).pipe(
          Stream.runForEach(writer.markWatched),
          Effect.ignore,
          Effect.forkScoped
        )
        return writer
      })
    )
}

/** Turns in one write: 50 of the largest stay under 1 MB. */
const maxBatches = 50
const defaultCapacity = 1_000_000

const open = Effect.fnUntraced(function* (write: DeltaStore, options: DeltaWriterOptions = {}) {
  const flushPolicyOf = options.flushPolicy ?? DeltaBuffer.flushPolicyOf
  const capacity = options.capacity ?? defaultCapacity
  const entries = new Map<Id<"turns">, DeltaEntry>()
  const wake = yield* Queue.sliding<void>(1)
  let waiting = 0
  let lastWrite = Number.NEGATIVE_INFINITY
  /** The time until which the writing fiber sleeps. While it writes it is not asleep, and looks at all text afterwards. */
  let sleepsUntil = Number.NEGATIVE_INFINITY

  const dueAt = (entry: DeltaEntry): number =>
    entry.flushes.length > 0 && entry.buffer.size > 0
      ? Number.NEGATIVE_INFINITY
      : DeltaBuffer.dueAt(entry.buffer, lastWrite, flushPolicyOf(entry.watched !== false))

  const isIncluded = ({ buffer, flushes, watched }: DeltaEntry, now: number): boolean =>
    buffer.size > 0 &&
    (flushes.length > 0 || DeltaBuffer.shouldPiggyback(buffer, now, flushPolicyOf(watched !== false)))

  /** The batches of the next write, and when the oldest text in them was appended. */
  const takeBatches = (now: number) => {
    const batches: Array<Batch> = []
    let oldest = now
    for (const [turnId, entry] of entries) {
      if (!isIncluded(entry, now)) continue
      if (batches.length === maxBatches) break
      const [segments, rest] = DeltaBuffer.take(entry.buffer)
      batches.push({ turnId, seq: entry.buffer.seq, segments })
      oldest = Math.min(oldest, entry.buffer.since)
      waiting -= entry.buffer.size - rest.size
      entry.buffer = rest
      entry.writing = true
    }
    return { batches, oldest }
  }

  const attempt = (batches: ReadonlyArray<Batch>) =>
    retryTransient(write(batches)).pipe(
      Effect.tapError((error) => Effect.logWarning("Live text was refused", error.message)),
      Effect.withSpan("DeltaWriter.write", { attributes: { turns: batches.length } }),
      Effect.exit
    )

  /** Appends a segment to the buffer, if there is room. Returns whether it did. */
  const add = (entry: DeltaEntry, segment: DeltaBuffer.Segment, now: number): boolean => {
    const buffer = DeltaBuffer.append(entry.buffer, segment, now)
    const more = buffer.size - entry.buffer.size
    if (waiting + more > capacity) return false
    entry.buffer = buffer
    waiting += more
    return true
  }

  /** A client watches: volatile segments are due, too. */
  const release = (entry: DeltaEntry, now: number): void => {
    for (const segment of entry.held.segments) add(entry, segment, now)
    entry.held = DeltaBuffer.empty
  }

  const complete = Effect.fnUntraced(function* (
    batches: ReadonlyArray<Batch>,
    exit: Effect.Success<ReturnType<typeof attempt>>
  ) {
    const reply = Exit.isSuccess(exit) ? exit.value : undefined
    for (const { turnId } of batches) {
      const entry = entries.get(turnId)
      if (entry === undefined) continue
      entry.writing = false
      if (Exit.isSuccess(exit)) entry.watched = reply?.watched.includes(turnId) ?? entry.watched ?? true
      if (entry.watched === true) release(entry, yield* Clock.currentTimeMillis)
      // Moved to the end, so that more turns than fit into one write take turns.
      entries.delete(turnId)
      entries.set(turnId, entry)
      if (Exit.isSuccess(exit) && entry.buffer.size > 0) continue
      const flushes = entry.flushes
      entry.flushes = []
      for (const flush of flushes) yield* Deferred.done(flush, Exit.asVoid(exit))
    }
  })

  const writeAt = Effect.fnUntraced(function* (now: number) {
    lastWrite = now
    const { batches, oldest } = takeBatches(now)
    const exit = yield* attempt(batches)
    if (Exit.isSuccess(exit)) yield* countWrite(oldest)
    yield* complete(batches, exit)
  })

  const step = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const due = Math.min(Number.POSITIVE_INFINITY, ...Array.from(entries.values(), dueAt))
    sleepsUntil = due <= now ? Number.NEGATIVE_INFINITY : due
    if (due <= now) {
      yield* writeAt(now)
    } else if (due === Number.POSITIVE_INFINITY) {
      yield* Queue.take(wake)
    } else {
      yield* Effect.timeoutOption(Queue.take(wake), due - now)
    }
  })

  const append = (turnId: Id<"turns">, segment: DeltaBuffer.Segment) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const entry = entries.get(turnId) ?? newEntry(1)
      entries.set(turnId, entry)
      if (entry.overflowed) return Effect.void
      if (DeltaBuffer.isVolatile(segment) && entry.watched !== true) {
        entry.held = DeltaBuffer.append(entry.held, segment, now)
        return Effect.void
      }
      // The call has another state: progress of the one before is void.
      if (segment.kind === "tool") entry.held = DeltaBuffer.without(entry.held, segment.partId)
      if (!add(entry, segment, now)) {
        entry.overflowed = true
        return Effect.logWarning("Delta buffer is full; live text is disabled for this turn", { turnId })
      }
      // Waking for each piece of text would cost more than the rest of this function.
      return dueAt(entry) < sleepsUntil ? Queue.offer(wake, undefined) : Effect.void
    }).pipe(Effect.asVoid)

  const flush = Effect.fn("DeltaWriter.flush")(function* (turnId: Id<"turns">) {
    const entry = entries.get(turnId)
    if (entry === undefined || (entry.buffer.size === 0 && !entry.writing)) return
    const written = yield* Deferred.make<void, ConvexSyncError>()
    entry.flushes.push(written)
    yield* Queue.offer(wake, undefined)
    yield* Deferred.await(written)
  })

  const remove = (turnId: Id<"turns">) =>
    Effect.sync(() => {
      waiting -= entries.get(turnId)?.buffer.size ?? 0
      entries.delete(turnId)
    })

  yield* Effect.forkScoped(Effect.forever(step))
  yield* Effect.addFinalizer(() =>
    Effect.forEach([...entries.keys()], flush, { concurrency: "unbounded", discard: true }).pipe(
      Effect.interruptible,
      Effect.timeoutOption(options.closeTimeout ?? "2 seconds"),
      Effect.ignore
    )
  )
  const flushWatched = (turnId: Id<"turns">) =>
    Effect.suspend(() => {
      const entry = entries.get(turnId)
      return entry !== undefined && entry.watched !== false && entry.buffer.size <= DeltaBuffer.maxWrite
        ? flush(turnId)
        : Effect.void
    })
  const markWatched = (turnIds: ReadonlyArray<Id<"turns">>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      for (const turnId of turnIds) {
        const entry = entries.get(turnId)
        if (entry === undefined) continue
        entry.watched = true
        release(entry, now)
      }
      return Queue.offer(wake, undefined)
    }).pipe(Effect.asVoid)

  return DeltaWriter.of({
    append,
    markWatched,
    resume: (turnId, seq) =>
      Effect.sync(() => {
        entries.set(turnId, newEntry(seq + 1))
      }),
    flush,
    end: (turnId) => Effect.ensuring(flush(turnId), remove(turnId)),
    discard: (turnId) => Effect.ensuring(flushWatched(turnId), remove(turnId))
  })
})

/** The store over a lease. */
export const deltaStore =
  (lease: Lease["Service"]): DeltaStore =>
  (batches) =>
    lease.mutation(api.queue.appendDeltas, {
      batches: batches.map((batch) => ({ ...batch, segments: [...batch.segments] }))
    })
