/**
 * Keeps at most one server alive, and shares its start.
 *
 * ```
 *  use ──▶ starting (one, shared) ──ok──▶ running ──exits──▶ swept ──backoff──▶ starting …
 *             │                             ├── idle ────────▶ idle ──next use──▶ starting …
 *             │                             └── large, old ──▶ swept ──────────▶ starting …
 *             └── fails ──▶ none; too often ──▶ given up until `retryAfter`
 * ```
 *
 * Invariants
 * - A server is started only after the one before it, with all that it had started, is gone.
 * - A caller that is interrupted does not stop the start that others wait for.
 * - A failed start fails its waiting callers; the next use retries after the backoff.
 * - A server that is used is never recycled.
 * - `idle`: the server was ended for idleness or never used. A lost server is not idle.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { HostError } from "../../HostError.ts"
import { Closed, GaveUp, StartFailed, Timeout, Unavailable } from "../../HostErrorReason.ts"
import { endIfHung } from "./hangs.ts"
import { type Hub, pump } from "./hub.ts"
import type { OpenCodeEvent } from "../../OpenCodeClient.ts"
import type { OpenCodeServer } from "../../OpenCodeServer.ts"
import { warmUp } from "./warmUp.ts"
import { hasBusySession, type Instance } from "./instance.ts"
import { countEnd, countFailure, countStart, registerRunning } from "./metrics.ts"
import { type Failure, recent, type RestartPolicy, restartDecision } from "./restarts.ts"
import { type RecyclingReason, type RecyclingOptions, recycling, type Usage } from "./recycling.ts"
import { rememberProviderMetadata, type ProviderMetadata } from "./providerMetadata.ts"

/** A server with its event stream. */
export interface Running extends Instance {
  /** Completes when events flow and the server has loaded its directory: a prompt sent from then on is durable. */
  readonly primed: Effect.Effect<void, HostError>
  readonly providerMetadata: Effect.Effect<ProviderMetadata, HostError>
}

export interface Supervisor {
  /** The running server, started if there is none. */
  readonly running: Effect.Effect<Running, HostError>
  /** Runs something with the server, which is not idle meanwhile. */
  readonly use: <A, E, R>(run: (running: Running) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | HostError, R>
  /**
   * None while the server is idle; else a `use` of the one that runs or starts now, which may be taken for idle
   * meanwhile. Of a server that was lost it is a use like any other.
   */
  readonly ifRunning: Effect.Effect<Option.Option<Supervisor["use"]>>
  /** Keeps the server in use until the scope closes. Fails once the host is closing. */
  readonly keepAlive: Effect.Effect<void, HostError, Scope.Scope>
}

export interface SupervisorOptions<R> {
  readonly start: Effect.Effect<Instance, HostError, R | Scope.Scope>
  readonly hub: Hub
  readonly directory: string
  /** Absent for a server that is not ours: each use attaches again, and nothing is counted. */
  readonly restart?: RestartPolicy | undefined
  readonly limits?: RecyclingOptions | undefined
  /** Checks a server each time that it has loaded its directory; a prompt waits for it. */
  readonly verify?: ((server: OpenCodeServer) => Effect.Effect<void, HostError>) | undefined
  /** How long closing waits for sessions that are busy, those of foreign clients too. */
  readonly stopTimeout?: Duration.Input | undefined
}

export const makeSupervisor = Effect.fnUntraced(function* <R>(options: SupervisorOptions<R>) {
  const { directory, hub, restart } = options
  const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
  const oneAtATime = yield* Semaphore.make(1)
  /** All servers live in it. It closes only after the last one was given time to finish. */
  const lives = yield* Scope.make()
  const usage: Usage = { inFlight: 0, lastAt: 0, used: false }
  let current: Deferred.Deferred<Running, HostError> | undefined
  let idle = true
  let failures: ReadonlyArray<Failure> = []
  let closing = false
  let started = 0
  yield* registerRunning(() => current !== undefined && Deferred.isDoneUnsafe(current))

  const touch = Effect.map(Clock.currentTimeMillis, (now) => {
    usage.lastAt = now
  })

  const failed = Effect.fnUntraced(function* (why: string, timedOut = false) {
    const now = yield* Clock.currentTimeMillis
    if (restart !== undefined) failures = [...recent(failures, restart, now), { at: now, why, timedOut }]
  })

  /** Waits as long as the failures so far ask for, or fails with `GaveUp`. */
  const backOff = Effect.gen(function* () {
    if (restart === undefined) return
    const next = restartDecision(failures, restart, yield* Clock.currentTimeMillis)
    if (next._tag === "GivenUp") {
      const reason = new GaveUp({
        failures: failures.length,
        last: failures.at(-1)?.why ?? "",
        timedOut: failures.some(({ timedOut }) => timedOut),
        retryMillis: next.retryMillis
      })
      return yield* new HostError({ reason })
    }
    yield* Effect.sleep(Duration.millis(next.delayMillis * (yield* Random.nextBetween(0.75, 1.25))))
  })

  const begin = Effect.fnUntraced(function* () {
    const instance = yield* options.start
    const connected = yield* Latch.make()
    const resumes = started++ === 0 ? undefined : ("restart" as const)
    const access = instance.server
    const lastHeard = yield* Ref.make(yield* Clock.currentTimeMillis)
    const heard = Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.set(lastHeard, now))
    const providerMetadata = yield* rememberProviderMetadata(access, directory)
    const scope = yield* Effect.scope
    const verify = Effect.forkIn(options.verify?.(access) ?? Effect.void, scope)
    let verified = yield* verify
    const lost = Effect.andThen(
      providerMetadata.forget,
      Effect.map(verify, (fiber) => {
        verified = fiber
      })
    )
    const active = (event: OpenCodeEvent) => (startsProcesses(event) ? Effect.andThen(instance.notice, touch) : touch)
    yield* Effect.forkScoped(pump({ hub, server: access, directory, connected, heard, active, lost, resumes }))
    yield* Effect.forkScoped(endIfHung(instance, lastHeard))
    const loaded = yield* Effect.forkScoped(
      Effect.all([warmUp(access, directory), Effect.ignore(providerMetadata.read)], { concurrency: 2, discard: true })
    )
    const verification = Effect.suspend(() => Fiber.join(verified))
    const primed = Effect.all([connected.await, Fiber.join(loaded), verification], { discard: true }).pipe(
      Effect.raceFirst(Effect.andThen(instance.exited, unavailable("the server has ended"))),
      Effect.timeoutOrElse({
        duration: primeLimit,
        orElse: () => new HostError({ reason: new Timeout({ operation: "loading the directory", millis: primeLimit }) })
      })
    )
    yield* touch
    usage.used = usage.inFlight > 0
    return { ...instance, primed, providerMetadata: providerMetadata.read } satisfies Running
  })

  /** Runs as long as the server. Returns whether another one should follow at once. */
  const superviseOne = Effect.fnUntraced(function* (deferred: Deferred.Deferred<Running, HostError>, server: Running) {
    const claim = (why: RecyclingReason) => {
      if (closing || current !== deferred) return false
      current = undefined
      idle = why === "idle"
      return true
    }
    const isBusy = hasBusySession(server.server, directory).pipe(
      Effect.orElseSucceed(() => true),
      Effect.provide(context)
    )
    const { pid, startedAt } = server.server
    const limits = options.limits ?? {}
    const end = yield* Effect.raceFirst(
      Effect.map(server.exited, (why) => ({ died: why })),
      Effect.map(recycling({ limits, pid, startedAt, usage, isBusy, claim }), (retired) => ({ retired }))
    )
    if ("died" in end) {
      yield* failed(end.died)
      yield* countEnd("died")
      yield* Effect.logWarning(`OpenCode has ended: ${end.died}`)
      return true
    }
    yield* countEnd(end.retired === "idle" ? "idle" : "recycled")
    yield* Effect.logInfo(`OpenCode is stopped (${end.retired})`)
    return end.retired !== "idle"
  })

  /** One server from its start to its end. Failed starts are repeated only if no caller waited for them. */
  const serve: (deferred: Deferred.Deferred<Running, HostError>, byItself: boolean) => Effect.Effect<void> =
    Effect.fnUntraced(function* (deferred, byItself) {
      const own = yield* Scope.fork(lives)
      const exit = yield* Effect.andThen(backOff, begin()).pipe(
        // Such as a full disk. Uncounted, it would be repeated without a delay.
        Effect.catchDefect((defect) => new HostError({ reason: startDefect(defect) })),
        Scope.provide(own),
        Effect.provide(context),
        Effect.exit
      )
      let again = false
      if (Exit.isSuccess(exit)) {
        yield* countStart
        const { pid, version } = exit.value.server
        if (started > 1) yield* Effect.logInfo(`OpenCode ${version} runs again`, { pid })
        yield* Deferred.succeed(deferred, exit.value)
        again = yield* superviseOne(deferred, exit.value)
      }
      if (current === deferred) current = undefined
      yield* Scope.close(own, Exit.void)
      if (Exit.isFailure(exit)) {
        const error = Exit.findErrorOption(exit)
        const gaveUp = error._tag === "Some" && error.value.reason._tag === "GaveUp"
        if (error._tag === "Some" && !gaveUp) {
          const { message, reason } = error.value
          const timedOut = reason._tag === "StartFailed" && reason.timedOut === true
          yield* Effect.andThen(countFailure, failed(message, timedOut))
        }
        if (byItself && error._tag === "Some") yield* Effect.logError(error.value.message)
        yield* Deferred.done(deferred, exit)
        again = byItself && !gaveUp
      }
      if (again && restart !== undefined && current === undefined && !closing) yield* launch(true)
    })

  const launch = (byItself: boolean): Effect.Effect<Deferred.Deferred<Running, HostError>> =>
    Effect.suspend(() => {
      const deferred = Deferred.makeUnsafe<Running, HostError>()
      current = deferred
      idle = false
      return Effect.as(Effect.forkIn(oneAtATime.withPermit(serve(deferred, byItself)), lives), deferred)
    })

  const running = Effect.suspend((): Effect.Effect<Running, HostError> => {
    if (current !== undefined) return Deferred.await(current)
    return closing ? Effect.fail(closed) : Effect.flatMap(launch(false), Deferred.await)
  })

  const enter = Effect.sync(() => {
    usage.inFlight += 1
    usage.used = true
  })
  const leave = Effect.suspend(() => {
    usage.inFlight -= 1
    return touch
  })

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      closing = true
      const last = current
      if (last !== undefined && Deferred.isDoneUnsafe(last)) {
        const { server } = yield* Deferred.await(last)
        yield* hasBusySession(server, directory).pipe(
          Effect.repeat({ while: (busy) => busy, schedule: Schedule.spaced("100 millis") }),
          Effect.timeout(options.stopTimeout ?? "5 seconds")
        )
      }
    }).pipe(
      Effect.ignore,
      Effect.andThen(
        Effect.suspend(() => {
          const last = current
          current = undefined
          return last === undefined ? Effect.void : Deferred.fail(last, closed)
        })
      ),
      Effect.andThen(Scope.close(lives, Exit.void)),
      Effect.provide(context)
    )
  )

  const use: Supervisor["use"] = (run) =>
    Effect.acquireUseRelease(
      enter,
      () => Effect.flatMap(running, run),
      () => leave
    )

  return {
    running,
    use,
    ifRunning: Effect.sync(() => {
      if (idle) return Option.none()
      const now = current
      return Option.some<Supervisor["use"]>(now === undefined ? use : (run) => Effect.flatMap(Deferred.await(now), run))
    }),
    keepAlive: Effect.suspend(() => (closing ? Effect.fail(closed) : Effect.acquireRelease(enter, () => leave)))
  } satisfies Supervisor
})

/** A tool runs or has run. */
const startsProcesses = (event: OpenCodeEvent) =>
  event.type === "session.idle" || (event.type === "message.part.updated" && event.properties.part.type === "tool")

/** Loading takes 1.3-2.5 s on 2 slow cores. */
const primeLimit = 30_000

const startDefect = (defect: unknown) =>
  new StartFailed({ problem: defect instanceof Error ? defect.message : String(defect), output: [] })

const closed = new HostError({ reason: new Closed() })

const unavailable = (detail: string) => new HostError({ reason: new Unavailable({ operation: "server", detail }) })
