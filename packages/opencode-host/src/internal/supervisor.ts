/**
 * Keeps at most one server alive, and shares its start.
 *
 * ```
 *  use ──▶ starting (one, shared) ──ok──▶ running ──exits──▶ swept ──▶ none ──next use──▶ starting …
 *                └──────────── fails ────────────────────────────────▶ none
 * ```
 *
 * Invariants
 * - A server is started only after the one before it, with all that it had started, is gone.
 * - A caller that is interrupted does not stop the start that others wait for.
 * - A failed start is told to those who wait for it, and not remembered.
 */
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Latch, Ref, Scope, Semaphore } from "effect"
import { HttpClient } from "effect/http"
import { HostError, Timeout, Unavailable } from "../HostError.ts"
import { type Hub, pump, stallAfter } from "./hub.ts"
import { get, health, type Instance } from "./instance.ts"

/** A server with its event stream. */
export interface Running extends Instance {
  /** Completes when events flow and the server has loaded its directory: a prompt sent from then on is durable. */
  readonly primed: Effect.Effect<void, HostError>
}

export const makeSupervisor = Effect.fnUntraced(function* <R>(options: {
  readonly start: Effect.Effect<Instance, HostError, R | Scope.Scope>
  readonly hub: Hub
  readonly directory: string
}) {
  const context = yield* Effect.context<Exclude<R, Scope.Scope> | HttpClient.HttpClient>()
  const scope = yield* Effect.scope
  const oneAtATime = yield* Semaphore.make(1)
  let current: Deferred.Deferred<Running, HostError> | undefined
  let closed = false
  let started = 0

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      return current === undefined ? Effect.void : Deferred.fail(current, unavailable("the host is closed"))
    })
  )

  const begin = Effect.fnUntraced(function* () {
    const instance = yield* options.start
    const connected = yield* Latch.make()
    const resumes = started++ === 0 ? undefined : ("restart" as const)
    const { hub, directory } = options
    const access = instance.server
    const lastHeard = yield* Ref.make(yield* Clock.currentTimeMillis)
    const heard = Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.set(lastHeard, now))
    yield* Effect.forkScoped(pump({ hub, access, directory, connected, heard, resumes }))
    yield* Effect.forkScoped(endIfHung(instance, lastHeard))
    const loaded = yield* Effect.forkScoped(warmUp(access, directory))
    const primed = Effect.all([connected.await, Fiber.join(loaded)], { discard: true }).pipe(
      Effect.raceFirst(Effect.andThen(instance.exited, unavailable("the server has ended"))),
      Effect.timeoutOrElse({
        duration: primeLimit,
        orElse: () => new HostError({ reason: new Timeout({ operation: "loading the directory", millis: primeLimit }) })
      })
    )
    return { ...instance, primed } satisfies Running
  })

  const life = Effect.fnUntraced(function* (deferred: Deferred.Deferred<Running, HostError>) {
    const own = yield* Scope.fork(scope)
    const exit = yield* begin().pipe(Scope.provide(own), Effect.provide(context), Effect.exit)
    if (Exit.isSuccess(exit)) {
      yield* Deferred.succeed(deferred, exit.value)
      yield* exit.value.exited
      yield* Effect.logWarning("OpenCode has ended; the next use starts it, or attaches to it, again")
    }
    if (current === deferred) current = undefined
    yield* Scope.close(own, Exit.void)
    if (Exit.isFailure(exit)) yield* Deferred.done(deferred, exit)
  })

  return Effect.suspend((): Effect.Effect<Running, HostError> => {
    if (closed) return Effect.fail(unavailable("the host is closed"))
    if (current !== undefined) return Deferred.await(current)
    const deferred = Deferred.makeUnsafe<Running, HostError>()
    current = deferred
    return Effect.andThen(Effect.forkIn(oneAtATime.withPermit(life(deferred)), scope), Deferred.await(deferred))
  })
})

const probeEvery = Duration.seconds(10)
const probeLimit = Duration.seconds(10)
const patience = 3

/**
 * Ends a server that hangs, since everything knows how to go on after a death. Slow is not hung: only a server that
 * neither answers three times nor streams anything, not even a heartbeat, is.
 */
const endIfHung = Effect.fnUntraced(function* (instance: Instance, lastHeard: Ref.Ref<number>) {
  let failures = 0
  while (failures < patience) {
    yield* Effect.sleep(probeEvery)
    const answers = yield* Effect.isSuccess(Effect.timeout(health(instance.server, true), probeLimit))
    const silence = (yield* Clock.currentTimeMillis) - (yield* Ref.get(lastHeard))
    failures = answers || silence < Duration.toMillis(stallAfter) ? 0 : failures + 1
  }
  yield* Effect.logWarning("OpenCode hangs: it neither answers nor streams; it is ended, or given up if it is not ours")
  yield* instance.kill
})

/** Loading takes 1.3-2.5 s on 2 slow cores. */
const primeLimit = 30_000

const unavailable = (detail: string) => new HostError({ reason: new Unavailable({ operation: "server", detail }) })

/**
 * Makes a fresh server load what a prompt needs (providers, tools, agents). Before that, a prompt that was accepted may
 * be lost in a crash: 48 of 49 were; after it, 5 of 5 were kept. It needs no model call and leaves no trace.
 */
const warmUp = Effect.fnUntraced(function* (access: Parameters<typeof get>[0], directory: string) {
  const query = `directory=${encodeURIComponent(directory)}`
  const load = (path: string) =>
    Effect.ignore(Effect.flatMap(HttpClient.execute(get(access, `${path}?${query}`)), (response) => response.text))
  yield* Effect.forEach(["/config/providers", "/experimental/tool/ids", "/agent"], load, {
    concurrency: "unbounded",
    discard: true
  })
})
