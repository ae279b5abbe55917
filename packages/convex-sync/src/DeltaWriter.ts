/**
 * Writes streamed text of many turns with few calls.
 *
 * Invariants
 * - One write is in flight, whatever the number of turns, and it holds all that has waited long enough (50 turns at most).
 * - A turn's writes are numbered from 1 without reuse; a write that is repeated has the same numbers and the same text.
 * - What waits in memory is bounded by `capacity`. A turn that finds no room gets no more live text; its final parts,
 *   which do not come this way, have everything.
 *
 * @since 0.1.0
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { Clock, Context, Deferred, type Duration, Effect, Exit, Layer, Queue, type Scope } from "effect"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import * as DeltaBuffer from "./DeltaBuffer.ts"
import { Lease } from "./Lease.ts"
import { retryTransient } from "./retryTransient.ts"

/**
 * Text of one turn in one write.
 *
 * @category models
 * @since 0.1.0
 */
export interface Batch {
  readonly turnId: Id<"turns">
  readonly seq: number
  readonly segments: ReadonlyArray<DeltaBuffer.Segment>
}

/**
 * What a writer needs: one call that writes all batches or none, and passes over a batch that is there already. It tells
 * which of the turns somebody reads along; telling nothing means all.
 *
 * @category ports
 * @since 0.1.0
 */
export type DeltaStore = (
  batches: ReadonlyArray<Batch>
) => Effect.Effect<void | { readonly watched: ReadonlyArray<Id<"turns">> }, ConvexSyncError>

/**
 * @category models
 * @since 0.1.0
 */
export interface DeltaWriterOptions {
  /** By whether somebody reads along. Default `DeltaBuffer.cadenceOf`: 250 ms or 4 kB; 4 s or 16 kB if nobody does. */
  readonly cadence?: (isWatched: boolean) => DeltaBuffer.Cadence
  /** Text that may wait while the deployment is away, in UTF-16 code units over all turns. Default 1,000,000. */
  readonly capacity?: number
  /** How long closing waits for the last write. Default 2 seconds. */
  readonly closeTimeout?: Duration.Input
}

/**
 * @category services
 * @since 0.1.0
 */
export class DeltaWriter extends Context.Service<
  DeltaWriter,
  {
    /** Takes text and returns at once. A turn's first text is written at once, later text is gathered. */
    readonly append: (turnId: Id<"turns">, segment: DeltaBuffer.Segment) => Effect.Effect<void>
    /**
     * Writes what the turn has waiting, now, and waits until it is written. Waits as long as the deployment is away;
     * fails if it refuses the text.
     */
    readonly flush: (turnId: Id<"turns">) => Effect.Effect<void, ConvexSyncError>
    /** Flushes, then forgets the turn, whatever came of it. Call it once, when no more text follows. */
    readonly end: (turnId: Id<"turns">) => Effect.Effect<void, ConvexSyncError>
    /**
     * In place of `end`, for a turn whose final parts are written at once and replace its text: what waits is flushed only
     * if somebody reads along and it is one write, not what gathered while the deployment was away.
     */
    readonly discard: (turnId: Id<"turns">) => Effect.Effect<void, ConvexSyncError>
  }
>()("@opencode-worker/convex-sync/DeltaWriter") {
  /** A writer over any store, for as long as the scope; closing it writes what waits. */
  static readonly make = (
    write: DeltaStore,
    options?: DeltaWriterOptions
  ): Effect.Effect<DeltaWriter["Service"], never, Scope.Scope> => open(write, options)

  /** Writes under the lease; one writer serves all turns of a worker. */
  static readonly layer = (options?: DeltaWriterOptions): Layer.Layer<DeltaWriter, never, Lease> =>
    Layer.effect(
      DeltaWriter,
      Effect.flatMap(Lease, (lease) => DeltaWriter.make(deltaStore(lease), options))
    )
}

/** Turns in one write: 50 of the largest stay under 1 MB. */
const maxBatches = 50
const defaultCapacity = 1_000_000

interface Entry {
  buffer: DeltaBuffer.Buffer
  /** Its text is part of the write in flight. */
  writing: boolean
  /** Somebody reads along, as far as the last write told; so it is believed of a turn that was not written yet. */
  watched: boolean
  /** It found no room, and gets no more live text. */
  muted: boolean
  /** Who waits until nothing of it waits. While there are any, it is due at once. */
  flushes: Array<Deferred.Deferred<void, ConvexSyncError>>
}

const open = Effect.fnUntraced(function* (write: DeltaStore, options: DeltaWriterOptions = {}) {
  const cadenceOf = options.cadence ?? DeltaBuffer.cadenceOf
  const capacity = options.capacity ?? defaultCapacity
  const entries = new Map<Id<"turns">, Entry>()
  const wake = yield* Queue.sliding<void>(1)
  let waiting = 0
  let lastWrite = Number.NEGATIVE_INFINITY

  const dueAt = (entry: Entry): number =>
    entry.flushes.length > 0 && entry.buffer.size > 0
      ? Number.NEGATIVE_INFINITY
      : DeltaBuffer.dueAt(entry.buffer, lastWrite, cadenceOf(entry.watched))

  const goesAlong = ({ buffer, flushes, watched }: Entry, now: number): boolean =>
    buffer.size > 0 && (flushes.length > 0 || DeltaBuffer.joins(buffer, now, cadenceOf(watched)))

  const takeBatches = (now: number): Array<Batch> => {
    const batches: Array<Batch> = []
    for (const [turnId, entry] of entries) {
      if (!goesAlong(entry, now)) continue
      if (batches.length === maxBatches) break
      const [segments, rest] = DeltaBuffer.take(entry.buffer)
      batches.push({ turnId, seq: entry.buffer.seq, segments })
      waiting -= entry.buffer.size - rest.size
      entry.buffer = rest
      entry.writing = true
    }
    return batches
  }

  const attempt = (batches: ReadonlyArray<Batch>) =>
    retryTransient(write(batches)).pipe(
      Effect.tapError((error) => Effect.logWarning("Live text was refused", error.message)),
      Effect.withSpan("DeltaWriter.write", { attributes: { turns: batches.length } }),
      Effect.exit
    )

  const settle = Effect.fnUntraced(function* (
    batches: ReadonlyArray<Batch>,
    exit: Effect.Success<ReturnType<typeof attempt>>
  ) {
    const reply = Exit.isSuccess(exit) ? exit.value : undefined
    for (const { turnId } of batches) {
      const entry = entries.get(turnId)
      if (entry === undefined) continue
      entry.writing = false
      if (reply !== undefined) entry.watched = reply.watched.includes(turnId)
      // To the end of the line, so that with more turns than one write holds each gets its turn.
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
    const batches = takeBatches(now)
    yield* settle(batches, yield* attempt(batches))
  })

  const step = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const due = Math.min(Number.POSITIVE_INFINITY, ...Array.from(entries.values(), dueAt))
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
      const entry = entries.get(turnId) ?? {
        buffer: DeltaBuffer.empty,
        writing: false,
        watched: true,
        muted: false,
        flushes: []
      }
      entries.set(turnId, entry)
      if (entry.muted) return Effect.void
      const buffer = DeltaBuffer.append(entry.buffer, segment, now)
      const more = buffer.size - entry.buffer.size
      if (waiting + more > capacity) {
        entry.muted = true
        return Effect.logWarning("Too much live text waits; the turn goes on without", { turnId })
      }
      entry.buffer = buffer
      waiting += more
      return Queue.offer(wake, undefined)
    }).pipe(Effect.asVoid)

  const flush = Effect.fn("DeltaWriter.flush")(function* (turnId: Id<"turns">) {
    const entry = entries.get(turnId)
    if (entry === undefined || (entry.buffer.size === 0 && !entry.writing)) return
    const written = yield* Deferred.make<void, ConvexSyncError>()
    entry.flushes.push(written)
    yield* Queue.offer(wake, undefined)
    yield* Deferred.await(written)
  })

  const forget = (turnId: Id<"turns">) =>
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
  const flushRead = (turnId: Id<"turns">) =>
    Effect.suspend(() => {
      const entry = entries.get(turnId)
      return entry?.watched === true && entry.buffer.size <= DeltaBuffer.maxWrite ? flush(turnId) : Effect.void
    })
  return DeltaWriter.of({
    append,
    flush,
    end: (turnId) => Effect.ensuring(flush(turnId), forget(turnId)),
    discard: (turnId) => Effect.ensuring(flushRead(turnId), forget(turnId))
  })
})

/** The store over a lease. */
export const deltaStore =
  (lease: Lease["Service"]): DeltaStore =>
  (batches) =>
    lease.mutation(api.queue.appendDeltas, {
      batches: batches.map((batch) => ({ ...batch, segments: [...batch.segments] }))
    })
