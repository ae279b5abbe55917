/**
 * Owns every turn that this process attends to, in one map: admission, claim, delivery, abort, requests, retries, end.
 *
 * ```
 *   shown by the deployment ─▶ waits for a place (Agent.use) ─▶ claimed ─▶ delivered ─▶ Ended ─▶ stored
 *        ▲    └─ pause: withdrawn, stays queued                  │            │                   └─ refused ─▶ recovery
 *        └── not claimed, and still shown: 5 s ──────────────────┘            └─ abort: the agent stops it
 *                                       abort: its fiber is interrupted, the agent's record decides
 * ```
 *
 * A steering prompt shares the place of the turn that it steers: the turn ends with what it had, and its place is free when
 * the last of them has ended. An abort of one of them ends all that are delivered.
 *
 * May this prompt be sent again?
 *
 * | state | again? |
 * | --- | --- |
 * | not claimed | yes, by any process |
 * | claimed, the agent failed before `Delivered` | yes, by this process, with the same ids: one message, run once |
 * | claimed, the process ended | recovery reads the agent's record: absent → queued again; otherwise never |
 * | `Delivered`, the process ended, and a request waits in the agent | never. The next process follows it |
 * | `Delivered` | never. The turn ends as the agent says, or as `interrupted` |
 * | abort requested | never. The turn ends as `aborted` |
 *
 * Retries
 *
 * | retried | delay | until |
 * | --- | --- | --- |
 * | a turn that is still shown after its claim failed | 5 s | it is no longer shown |
 * | prompt, `Unavailable` | 0.5, 1, 2, 4 s | 4 times |
 * | prompt, `SessionGone` | none | once |
 * | prompt, `Busy` | 1 s | 1 hour |
 * | file of a prompt, storage unreachable | 0.5 s, doubled up to 5 s | 10 minutes |
 * | file of an answer, storage unreachable | 0.5, 1, 2, 4 s | 4 times, then it is left out |
 * | call of the agent for a request | 0.1, 0.2, 0.4, 0.8 s | 4 times |
 * | recovery of a turn | 1 s, doubled up to 1 min | it succeeds |
 * | recovery after a refused end | 1 s | each refusal |
 * | write of live text, close of a request | 0.25 s, doubled up to 5 s (`retryTransient`) | the deployment responds |
 * | subscription | 5 s | the lease is lost |
 *
 * Other calls of the deployment wait in the client until it responds.
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { MAX_PAGE } from "@opencode-worker/convex-backend/limits"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { Agent } from "./Agent.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import { DeltaWriter } from "./DeltaWriter.ts"
import { resubscribe } from "./internal/resubscribe.ts"
import { registerTurnGauges } from "./internal/turns/turnGauges.ts"
import { makeClaims } from "./internal/turns/claims.ts"
import { makePlace, type Place, useIn } from "./internal/turns/Place.ts"
import { makeRequests, type RequestsOptions } from "./internal/turns/requests.ts"
import { runTurn } from "./internal/turns/runTurn.ts"
import { isRunning, makeHandle, type TurnHandle, whenEnded } from "./internal/turns/TurnHandle.ts"
import { Lease } from "./Lease.ts"
import * as Recovery from "./Recovery.ts"
import { type OrphanedTurn, type ReadyTurn, turnStore, type TurnStore } from "./TurnStore.ts"

export interface TurnSchedulerOptions extends RequestsOptions {
  /** Ready turns that the deployment shows at once, 1 to 20. Default 20. */
  readonly window?: number
}

/** Delay before a turn whose claim failed is tried again. */
const claimRetryDelay = "5 seconds"
/** Delay before recovery after a refused end: a turn that is requeued and refused again must not loop without a pause. */
const recoveryDelay = "1 second"

/** A turn that fails affects no other. */
const logged = <E>(work: Effect.Effect<void, E>) =>
  Effect.catchCause(work, (cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logWarning("A turn could not be run to its end", cause)
  )

export class TurnScheduler extends Context.Service<
  TurnScheduler,
  {
    /**
     * Runs the turns that are ready, until it is interrupted. Then claimed turns go on, and waiting turns stay queued.
     * Fails when the lease is lost.
     */
    readonly run: Effect.Effect<void, ConvexSyncError>
    /** Recovers unfinished turns, now and whenever the deployment has refused the end of one. Never ends. */
    readonly recover: Effect.Effect<never, ConvexSyncError>
    /** Waits until no claimed turn runs. Interrupt `run` first. */
    readonly idle: Effect.Effect<void>
    /** Waits until no claimed turn of the session runs. Does not stop it: the deployment's abort does. */
    readonly sessionIdle: (sessionId: Id<"sessions">) => Effect.Effect<void>
  }
>()("@opencode-worker/convex-sync/TurnScheduler") {
  /** For as long as the scope. Closing it interrupts every turn, which is then recovered from the agent's record. */
  static readonly make = Effect.fnUntraced(function* (
    agent: Agent["Service"],
    store: TurnStore,
    deltas: DeltaWriter["Service"],
    options: TurnSchedulerOptions = {}
  ) {
    const handles = new Map<Id<"turns">, TurnHandle>()
    /** The newest window. Empty while `run` does not run. */
    let shown: ReadonlySet<Id<"turns">> = new Set()
    const endRefused = yield* Queue.sliding<void>(1)
    const recovery = Recovery.make(agent, store, (turn) => adopt(turn))
    const requests = yield* makeRequests(
      store.requests,
      options,
      (turnId) => handles.get(turnId)?.requests,
      (turnId) => handles.get(turnId)?.adopted !== false
    )
    const services = { store, deltas, recovery, requests }
    const { claim, takeOver } = makeClaims(agent, store, deltas, Queue.offer(endRefused, undefined))
    const turnsAtOnce = yield* Semaphore.make(MAX_PAGE)
    // Closing interrupts all turns at once, so that none waits for the recovery of another.
    const fibers = yield* FiberSet.make<void>()

    yield* registerTurnGauges(handles)

    const claimAndRun = (handle: TurnHandle, place: Place) =>
      Effect.suspend(() => {
        if (handle.phase !== (handle.adopted ? "claimed" : "waiting")) return Effect.void
        // From here on recovery leaves the turn alone, because its claim may have been accepted.
        handle.phase = "claimed"
        if (!handle.adopted) handle.ended = Deferred.makeUnsafe()
        handle.place = place
        const { sessionId, turnId } = handle.turn
        return Effect.flatMap(handle.adopted ? takeOver(turnId) : claim(handle), (prompt) =>
          prompt === null ? Effect.void : runTurn(services, handle, place.session, prompt)
        ).pipe(
          Effect.tapCause((cause) =>
            Cause.hasInterruptsOnly(cause) ? Effect.void : Queue.offer(endRefused, undefined)
          ),
          Effect.ensuring(
            Effect.suspend(() => {
              handle.phase = "lending"
              return Deferred.succeed(handle.ended, undefined)
            })
          ),
          // One trace from the claim to the stored result.
          Effect.withSpan("Turn", { root: true, attributes: { turnId, sessionId } }),
          // Here, because an agent may run a turn with a context of its own.
          Effect.annotateLogs({ turnId, sessionId })
        )
      }).pipe((run) => useIn(place, Semaphore.withPermits(turnsAtOnce, 1)(run)))

    /** In a place of its own, which it keeps for the prompts that steer it. */
    const runAlone = (handle: TurnHandle) =>
      agent.use(store.conversation(handle.turn.sessionId), (session) => {
        const place = makePlace(session)
        return Effect.andThen(claimAndRun(handle, place), Deferred.await(place.free))
      })

    /** A steering prompt runs in the place of the turn that it steers. If that turn has ended, it runs as any other. */
    const admit = (handle: TurnHandle) =>
      Effect.suspend(() => {
        const { delivery, sessionId } = handle.turn
        const steered = [...handles.values()].find(
          ({ phase, turn }) => delivery === "steer" && phase === "delivered" && turn.sessionId === sessionId
        )
        return steered?.place === undefined ? runAlone(handle) : claimAndRun(handle, steered.place)
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            if (handle.phase === "lending") handle.phase = "waiting"
          })
        )
      )

    const remove = (handle: TurnHandle) => {
      if (handles.get(handle.turn.turnId) === handle) handles.delete(handle.turn.turnId)
    }

    const attend = Effect.fnUntraced(function* (handle: TurnHandle) {
      const { turnId } = handle.turn
      while (shown.has(turnId)) {
        yield* logged(admit(handle)).pipe(Effect.annotateLogs({ turnId, sessionId: handle.turn.sessionId }))
        if (shown.has(turnId)) yield* Effect.sleep(claimRetryDelay)
      }
      // In one step with the look before it: a window either was seen there, or finds the handle removed.
      remove(handle)
    })

    /** Registers a turn, and runs it in a fiber of its own. */
    const launch = (handle: TurnHandle, attended: Effect.Effect<void>) => {
      handles.set(handle.turn.turnId, handle)
      return Effect.map(FiberSet.run(fibers, attended), (fiber) => {
        handle.fiber = fiber
      })
    }

    const start = (turn: ReadyTurn) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (handles.has(turn.turnId)) return Effect.void
        const handle = makeHandle(turn, now)
        const done = Effect.sync(() => remove(handle))
        return launch(handle, Effect.ensuring(attend(handle), done))
      })

    /** Goes on with a turn of an earlier process, whose request waits in the agent. */
    const adopt = ({ askTimeout, delivery, sessionId, turnId }: OrphanedTurn) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const turn = { turnId, sessionId, delivery, ...(askTimeout !== undefined && { askTimeout }) }
        const handle = makeHandle(turn, now, true)
        const done = Effect.suspend(() => {
          remove(handle)
          return Deferred.succeed(handle.ended, undefined)
        })
        const attended = logged(runAlone(handle)).pipe(
          Effect.annotateLogs({ turnId, sessionId }),
          Effect.ensuring(done)
        )
        return launch(handle, attended)
      })

    const withdraw = Effect.suspend(() => {
      shown = new Set()
      const waiting = [...handles.values()].filter(({ phase }) => phase === "waiting")
      for (const handle of waiting) {
        handle.phase = "withdrawn"
        remove(handle)
      }
      return Fiber.interruptAll(waiting.flatMap(({ fiber }) => fiber ?? []))
    })

    const abort = (handle: TurnHandle) =>
      Effect.suspend(() => {
        if (handle.aborted) return Effect.void
        handle.aborted = true
        if (handle.phase !== "delivered" || handle.place === undefined) {
          return Deferred.succeed(handle.cancelled, undefined)
        }
        return handle.place.session.abort.pipe(
          Effect.catch((error) => Effect.logWarning("The agent could not stop a turn", error.message)),
          (stop) => FiberSet.run(fibers, stop)
        )
      })

    yield* resubscribe(store.aborts).pipe(
      Stream.runForEach((turnIds) =>
        Effect.forEach(
          turnIds.flatMap((turnId) => handles.get(turnId) ?? []),
          abort,
          { discard: true }
        )
      ),
      Effect.catch((error) => Effect.logWarning("The aborts subscription ended", error.message)),
      Effect.forkScoped
    )

    const running = Effect.sync(() => [...handles.values()].filter(isRunning))
    const runningIds = Effect.map(running, (all) => all.map(({ turn }) => turn.turnId))
    const ended = (isMeant: (handle: TurnHandle) => boolean) =>
      Effect.flatMap(running, (all) => Effect.forEach(all.filter(isMeant), whenEnded, { discard: true }))

    return TurnScheduler.of({
      run: resubscribe(store.windows).pipe(
        Stream.runForEach((window) => {
          shown = new Set(window.map(({ turnId }) => turnId))
          return Effect.forEach(window, start, { discard: true })
        }),
        Effect.ensuring(withdraw)
      ),
      recover: Effect.forever(
        Effect.andThen(recovery.recoverAll(runningIds), Effect.delay(Queue.take(endRefused), recoveryDelay))
      ),
      idle: ended(() => true),
      sessionIdle: (sessionId) => ended(({ turn }) => turn.sessionId === sessionId)
    })
  })

  /** Under the lease. One scheduler runs all turns of a worker. */
  static readonly layer = (
    options: TurnSchedulerOptions = {}
  ): Layer.Layer<TurnScheduler, never, Agent | DeltaWriter | Lease> =>
    Layer.effect(
      TurnScheduler,
      Effect.gen(function* () {
        return yield* TurnScheduler.make(
          yield* Agent,
          turnStore(yield* Lease, options.window),
          yield* DeltaWriter,
          options
        )
      })
    )
}
