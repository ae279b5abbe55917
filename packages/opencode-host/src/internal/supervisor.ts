/**
 * Keeps at most one server alive, and shares its start.
 *
 * ```
 *  use ──▶ starting (one, shared) ──ok──▶ running ──exits──▶ swept ──backoff──▶ starting …
 *             │                             ├── idle ────────▶ asleep ──next use──▶ starting …
 *             │                             └── large, old ──▶ swept ──────────▶ starting …
 *             └── fails ──▶ none; too often ──▶ given up until `retryAfter`
 * ```
 *
 * Invariants
 * - A server is started only after the one before it, with all that it had started, is gone.
 * - A caller that is interrupted does not stop the start that others wait for.
 * - A failed start is told to those who wait for it; the next use tries again, after the backoff.
 * - A server that is used is never retired.
 * - Asleep means that nobody needs a server, never that one was lost: it was ended for idleness, or not used yet.
 */
import {
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Latch,
  Option,
  Random,
  Ref,
  Schedule,
  Scope,
  Semaphore
} from "effect"
import { HttpClient } from "effect/http"
import { Closed, GaveUp, HostError, Timeout, Unavailable } from "../HostError.ts"
import { type Hub, pump, stallAfter } from "./hub.ts"
import type { OpenCodeEvent } from "../OpenCodeClient.ts"
import type { OpenCodeServer } from "../OpenCodeServer.ts"
import { cpuMillis } from "../Processes.ts"
import { get, hasBusySession, health, type Instance } from "./instance.ts"
import { type Failure, recent, type RestartPolicy, verdict } from "./restarts.ts"
import { type Retirement, type RetirementOptions, retirement, type Usage } from "./retirement.ts"
import { rememberSettings, type Settings } from "./settings.ts"

/** A server with its event stream. */
export interface Running extends Instance {
  /** Completes when events flow and the server has loaded its directory: a prompt sent from then on is durable. */
  readonly primed: Effect.Effect<void, HostError>
  readonly settings: Effect.Effect<Settings, HostError>
}

export interface Supervisor {
  /** The running server, started if there is none. */
  readonly running: Effect.Effect<Running, HostError>
  /** Runs something with the server, which is not idle meanwhile. */
  readonly use: <A, E, R>(run: (running: Running) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | HostError, R>
  /**
   * None while the server is asleep; else a `use` of the one that runs or starts now, which may be taken for idle
   * meanwhile. Of a server that was lost it is a use like any other.
   */
  readonly glance: Effect.Effect<Option.Option<Supervisor["use"]>>
  /** The server is not idle until the scope closes. Fails once the host is closing. */
  readonly hold: Effect.Effect<void, HostError, Scope.Scope>
}

export interface SupervisorOptions<R> {
  readonly start: Effect.Effect<Instance, HostError, R | Scope.Scope>
  readonly hub: Hub
  readonly directory: string
  /** Absent for a server that is not ours: each use attaches again, and nothing is counted. */
  readonly restart?: RestartPolicy | undefined
  readonly limits?: RetirementOptions | undefined
  /** Checks a server each time that it has loaded its directory; a prompt waits for it. */
  readonly verify?: ((server: OpenCodeServer) => Effect.Effect<void, HostError, HttpClient.HttpClient>) | undefined
  /** How long closing waits for sessions that are busy, those of foreign clients too. */
  readonly stopTimeout?: Duration.Input | undefined
}

export const makeSupervisor = Effect.fnUntraced(function* <R>(options: SupervisorOptions<R>) {
  const { directory, hub, restart } = options
  const context = yield* Effect.context<Exclude<R, Scope.Scope> | HttpClient.HttpClient>()
  const oneAtATime = yield* Semaphore.make(1)
  /** All servers live in it. It closes only after the last one was given time to finish. */
  const lives = yield* Scope.make()
  const usage: Usage = { inFlight: 0, lastAt: 0, used: false }
  let current: Deferred.Deferred<Running, HostError> | undefined
  let asleep = true
  let failures: ReadonlyArray<Failure> = []
  let closing = false
  let started = 0

  const touch = Effect.map(Clock.currentTimeMillis, (now) => {
    usage.lastAt = now
  })

  const failed = Effect.fnUntraced(function* (why: string) {
    const now = yield* Clock.currentTimeMillis
    if (restart !== undefined) failures = [...recent(failures, restart, now), { at: now, why }]
  })

  /** Waits as long as the failures so far ask for, or fails with `GaveUp`. */
  const backOff = Effect.gen(function* () {
    if (restart === undefined) return
    const next = verdict(failures, restart, yield* Clock.currentTimeMillis)
    if (next._tag === "GivenUp") {
      const { retryMillis } = next
      const reason = new GaveUp({ failures: failures.length, last: failures.at(-1)?.why ?? "", retryMillis })
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
    const settings = yield* rememberSettings(access, directory)
    const scope = yield* Effect.scope
    const verify = Effect.forkIn(Effect.provide(options.verify?.(access) ?? Effect.void, context), scope)
    let verified = yield* verify
    const lost = Effect.andThen(
      settings.forget,
      Effect.map(verify, (fiber) => {
        verified = fiber
      })
    )
    const active = (event: OpenCodeEvent) => (startsProcesses(event) ? Effect.andThen(instance.notice, touch) : touch)
    yield* Effect.forkScoped(pump({ hub, server: access, directory, connected, heard, active, lost, resumes }))
    yield* Effect.forkScoped(endIfHung(instance, lastHeard))
    const loaded = yield* Effect.forkScoped(
      Effect.all([warmUp(access, directory), Effect.ignore(settings.read)], { concurrency: 2, discard: true })
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
    return { ...instance, primed, settings: settings.read } satisfies Running
  })

  /** Lives as long as the server; whether another one should follow at once. */
  const life = Effect.fnUntraced(function* (deferred: Deferred.Deferred<Running, HostError>, server: Running) {
    const claim = (why: Retirement) => {
      if (closing || current !== deferred) return false
      current = undefined
      asleep = why === "idle"
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
      Effect.map(retirement({ limits, pid, startedAt, usage, isBusy, claim }), (retired) => ({ retired }))
    )
    if ("died" in end) {
      yield* failed(end.died)
      yield* Effect.logWarning(`OpenCode has ended: ${end.died}`)
      return true
    }
    yield* Effect.logInfo(`OpenCode is stopped (${end.retired})`)
    return end.retired !== "idle"
  })

  /** One server from its start to its end. Failed starts are repeated only where nobody was told of the failure. */
  const serve: (deferred: Deferred.Deferred<Running, HostError>, byItself: boolean) => Effect.Effect<void> =
    Effect.fnUntraced(function* (deferred, byItself) {
      const own = yield* Scope.fork(lives)
      const exit = yield* Effect.andThen(backOff, begin()).pipe(
        Scope.provide(own),
        Effect.provide(context),
        Effect.exit
      )
      let again = false
      if (Exit.isSuccess(exit)) {
        yield* Deferred.succeed(deferred, exit.value)
        again = yield* life(deferred, exit.value)
      }
      if (current === deferred) current = undefined
      yield* Scope.close(own, Exit.void)
      if (Exit.isFailure(exit)) {
        const error = Exit.findErrorOption(exit)
        const gaveUp = error._tag === "Some" && error.value.reason._tag === "GaveUp"
        if (error._tag === "Some" && !gaveUp) yield* failed(error.value.message)
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
      asleep = false
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
    glance: Effect.sync(() => {
      if (asleep) return Option.none()
      const now = current
      return Option.some<Supervisor["use"]>(now === undefined ? use : (run) => Effect.flatMap(Deferred.await(now), run))
    }),
    hold: Effect.suspend(() => (closing ? Effect.fail(closed) : Effect.acquireRelease(enter, () => leave)))
  } satisfies Supervisor
})

const probeEvery = Duration.seconds(10)
const probeLimit = Duration.seconds(10)
const patience = 3
/** CPU time that a server which works uses from one probe to the next; one that is stopped or dead-locked uses none. */
const workingMillis = 500
/** What a failed probe of a server that works counts: it may take ten times as long. */
const doubt = 0.1

/** How many probes have failed, after one more. Silence and the CPU time used since the last one in ms. */
export const suspicion = (
  failures: number,
  { answers, cpu, silence }: { readonly answers: boolean; readonly silence: number; readonly cpu: number }
): number => {
  if (answers || silence < Duration.toMillis(stallAfter)) return 0
  return failures + (cpu >= workingMillis ? doubt : 1)
}

/**
 * Ends a server that hangs, since everything knows how to go on after a death. Slow is not hung: only a server that
 * neither answers three times nor streams anything, not even a heartbeat, is. On a machine with too much to do OpenCode
 * was silent for a minute and went on, so one that works all the while is given minutes.
 */
const endIfHung = Effect.fnUntraced(function* (instance: Instance, lastHeard: Ref.Ref<number>) {
  const { pid } = instance.server
  const used = pid === undefined ? Effect.succeed(0) : cpuMillis(pid)
  let before = yield* used
  let failures = 0
  while (failures < patience) {
    yield* Effect.sleep(probeEvery)
    const answers = yield* Effect.isSuccess(Effect.timeout(health(instance.server, true), probeLimit))
    const silence = (yield* Clock.currentTimeMillis) - (yield* Ref.get(lastHeard))
    const after = yield* used
    failures = suspicion(failures, { answers, silence, cpu: after - before })
    before = after
  }
  yield* Effect.logWarning("OpenCode hangs: it neither answers nor streams; it is ended, or given up if it is not ours")
  yield* instance.kill
})

/** A tool runs or has run. */
const startsProcesses = (event: OpenCodeEvent) =>
  event.type === "session.idle" || (event.type === "message.part.updated" && event.properties.part.type === "tool")

/** Loading takes 1.3-2.5 s on 2 slow cores. */
const primeLimit = 30_000

const closed = new HostError({ reason: new Closed() })

const unavailable = (detail: string) => new HostError({ reason: new Unavailable({ operation: "server", detail }) })

/**
 * Makes a fresh server load what a prompt needs (providers, tools, agents). Before that, a prompt that was accepted may
 * be lost in a crash: 48 of 49 were; after it, 5 of 5 were kept. It needs no model call and leaves no trace.
 */
const warmUp = Effect.fnUntraced(function* (server: OpenCodeServer, directory: string) {
  const place = encodeURIComponent(directory)
  const paths = ["/config/providers", "/experimental/tool/ids", "/agent"].map((path) => `${path}?directory=${place}`)
  const load = (path: string) =>
    Effect.ignore(Effect.flatMap(HttpClient.execute(get(server, path)), (response) => response.text))
  yield* Effect.forEach(paths, load, { concurrency: "unbounded", discard: true })
})
