import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Option, Queue, Redacted, Ref, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import { HostError, HostErrorReason } from "../src/index.ts"
import { Fetch } from "../src/internal/server/http.ts"
import type { Instance } from "../src/internal/server/instance.ts"
import { restartPolicy } from "../src/internal/server/restarts.ts"
import { hangScore } from "../src/internal/server/hangs.ts"
import { makeHub } from "../src/internal/server/hub.ts"
import { makeSupervisor, type Supervisor, type SupervisorOptions } from "../src/internal/server/supervisor.ts"

const server = {
  url: "http://127.0.0.1:1",
  username: "opencode",
  password: Redacted.make("x"),
  passwordHidden: true,
  version: "1.18.33",
  binary: undefined,
  bootMillis: 1
}

type Answer = Effect.Effect<Response>

const healthy = Effect.sync(() => Response.json({ healthy: true, version: "1.18.33" }))
const heartbeat = `data: ${JSON.stringify({ type: "server.heartbeat", properties: {} })}\n\n`
const beating = Effect.sync(() => new Response(heartbeat))

interface Setting extends Partial<SupervisorOptions<never>> {
  readonly health?: Answer
  readonly event?: Answer
  /** How often starts fail before one succeeds. */
  readonly failing?: number
  /** How long a start takes. */
  readonly startMillis?: number
  /** Whose memory and CPU time count. Default: this process. */
  readonly pid?: number
}

/** No process has it, so it does nothing. */
const noProcess = 0

/** A supervised server that answers its requests as given; `kill` ends it. */
const setting = Effect.fnUntraced(function* ({
  health = healthy,
  event = beating,
  failing = 0,
  startMillis = 0,
  pid = process.pid,
  ...options
}: Setting) {
  const starts = yield* Ref.make<ReadonlyArray<number>>([])
  const busy = yield* Ref.make(false)
  const stopped = yield* Ref.make(0)
  const respond = (url: URL) => {
    const status = Effect.map(Ref.get(busy), (is) => Response.json(is ? { ses_1: { type: "busy" } } : {}))
    const answers: Record<string, Answer> = {
      "/event": event,
      "/session/status": status
    }
    return answers[url.pathname] ?? health
  }
  const start = Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    yield* Effect.sleep(startMillis)
    const times = yield* Ref.updateAndGet(starts, (before) => [...before, startedAt])
    if (times.length <= failing) {
      return yield* new HostError({
        reason: new HostErrorReason.StartFailed({ problem: `try ${times.length}`, output: [] })
      })
    }
    const exited = yield* Deferred.make<string>()
    yield* Effect.addFinalizer(() => Ref.update(stopped, (count) => count + 1))
    const kill = Effect.asVoid(Deferred.succeed(exited, "it was killed"))
    return {
      server: { ...server, pid, startedAt },
      exited: Deferred.await(exited),
      notice: Effect.void,
      kill
    } satisfies Instance
  })
  const hub = yield* makeHub()
  const scope = yield* Scope.fork(yield* Effect.scope)
  const supervisor = yield* makeSupervisor({ start, hub, directory: "/d", restart: restartPolicy(), ...options }).pipe(
    Effect.provideService(Fetch, respond),
    Scope.provide(scope)
  )
  return {
    ...supervisor,
    starts: Effect.map(Ref.get(starts), ({ length }) => length),
    times: starts,
    busy,
    stopped,
    hub,
    close: Scope.close(scope, Exit.void)
  }
})

/** Lets what reads responses (promises, not the clock) go on. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
const seconds = (count: number) =>
  Effect.replicateEffect(Effect.andThen(TestClock.adjust("1 second"), settle), count, { discard: true })
/** Lets the time pass until something has happened. */
const ticking = <A, E>(effect: Effect.Effect<A, E>) => Effect.raceFirst(effect, Effect.forever(seconds(1)))
/** Fails when the server is idle. */
const look = (ifRunning: Supervisor["ifRunning"]) =>
  Effect.flatMap(ifRunning, (use) => Option.getOrThrow(use)(({ server: { url } }) => Effect.succeed(url)))
const minutes = (count: number) => seconds(60 * count)

describe("the supervisor", () => {
  it.effect("ends a server that neither answers nor streams, and starts another one", () =>
    Effect.gen(function* () {
      const { running, starts } = yield* setting({ health: Effect.never, event: Effect.never, pid: noProcess })
      const first = yield* running
      assert.strictEqual(yield* ticking(first.exited), "it was killed")
      const schedule = Schedule.spaced("1 second")
      yield* ticking(Effect.repeat(running, { until: (now) => now !== first, schedule }))
      assert.isAtLeast(yield* starts, 2)
    })
  )

  it.effect.each([
    { name: "streams, but answers nothing", health: Effect.never, event: beating },
    { name: "answers, but streams nothing", health: healthy, event: Effect.never }
  ])("leaves a busy server alone that $name", ({ health, event }) =>
    Effect.gen(function* () {
      const { running, starts } = yield* setting({ health, event })
      const first = yield* running
      yield* minutes(5)
      assert.strictEqual(yield* running, first)
      assert.strictEqual(yield* starts, 1)
    })
  )

  it("waits ten times as long for a silent server that uses CPU as for one that does not", () => {
    const silent = { answers: false, silence: 25_000 }
    const probes = (cpu: number) => {
      let failures = 0
      for (let count = 1; ; count++) {
        failures = hangScore(failures, { ...silent, cpu })
        if (failures >= 3) return count
      }
    }
    assert.strictEqual(probes(0), 3)
    assert.approximately(probes(500), 30, 1)
    assert.strictEqual(hangScore(2, { ...silent, answers: true, cpu: 0 }), 0)
    assert.strictEqual(hangScore(2, { ...silent, silence: 24_999, cpu: 0 }), 0)
  })

  it.effect("restarts a server that exited, and sends the listeners a gap", () =>
    Effect.gen(function* () {
      const connected = `data: ${JSON.stringify({ type: "server.connected", properties: {} })}\n\n`
      const event = Effect.sync(() => new Response(connected))
      const { running, starts, hub } = yield* setting({ event })
      const listener = yield* hub.listen()
      yield* (yield* running).kill
      yield* seconds(1)
      assert.strictEqual(yield* starts, 2)
      assert.deepStrictEqual(yield* Queue.take(listener), { _tag: "Gap", cause: "restart" })
    })
  )

  it.effect("backs off between restarts, fails with the reason, and retries later", () =>
    Effect.gen(function* () {
      const { running, starts, times } = yield* setting({})
      for (let death = 1; death <= 5; death++) {
        yield* (yield* Effect.forkChild(running).pipe(
          Effect.tap(() => seconds(10)),
          Effect.flatMap(Fiber.join)
        )).kill
        yield* settle
      }
      const error = yield* Effect.flip(running)
      assert.deepInclude(error.reason, { _tag: "GaveUp", failures: 5, last: "it was killed", timedOut: false })
      assert.include(error.message, "failed 5 times and is not started again for 60 s. The last failure: it was killed")
      yield* seconds(59)
      assert.strictEqual((yield* Effect.flip(running)).reason._tag, "GaveUp")
      assert.strictEqual(yield* starts, 5)
      yield* seconds(2)
      yield* running
      const [first = 0, ...rest] = yield* Ref.get(times)
      // Deaths are ten seconds apart; the delays between are 0.5, 1, 2 and 4 s, a quarter more or less.
      const delays = rest.slice(0, 4).map((at, index) => at - first - 10_000 * (index + 1))
      for (const [index, delay] of delays.entries()) {
        const expected = 500 * 2 ** index
        assert.isTrue(delay >= 0.75 * expected && delay <= 1.25 * expected, `${delay} for ${expected}`)
      }
    })
  )

  it.effect("fails the callers of a failed start at once, and starts again at the next use only", () =>
    Effect.gen(function* () {
      const { running, starts } = yield* setting({ failing: 1 })
      const errors = yield* Effect.all([Effect.flip(running), Effect.flip(running)], { concurrency: 2 })
      assert.deepStrictEqual(
        errors.map(({ message }) => message.includes("try 1")),
        [true, true]
      )
      yield* minutes(1)
      assert.strictEqual(yield* starts, 1)
      yield* running
      assert.strictEqual(yield* starts, 2)
    })
  )

  it.effect("counts a start that dies, as on a full disk, as a failure", () =>
    Effect.gen(function* () {
      const exited = yield* Deferred.make<string>()
      let starts = 0
      const start = Effect.suspend(() => {
        starts += 1
        if (starts > 1) return starts < 1_000 ? Effect.die(new Error("ENOSPC: no space left on device")) : Effect.never
        const instance: Instance = {
          server: { ...server, pid: noProcess, startedAt: 0 },
          exited: Deferred.await(exited),
          notice: Effect.void,
          kill: Effect.void
        }
        return Effect.succeed(instance)
      })
      const { running } = yield* setting({ start })
      yield* running
      yield* Deferred.succeed(exited, "it was killed")
      yield* minutes(1)
      assert.strictEqual(starts, 5)
      assert.deepInclude((yield* Effect.flip(running)).reason, { _tag: "GaveUp", failures: 5 })
      yield* minutes(1)
      const error = yield* Effect.flip(running)
      assert.strictEqual(error.reason._tag, "StartFailed")
      assert.include(error.message, "ENOSPC")
    })
  )

  it.effect("forgets old failures", () =>
    Effect.gen(function* () {
      const { running } = yield* setting({ failing: 4, restart: restartPolicy({ limit: 2, within: "1 minute" }) })
      for (let round = 0; round < 4; round++) {
        assert.strictEqual((yield* Effect.flip(running)).reason._tag, "StartFailed")
        yield* minutes(1)
      }
      yield* running
    })
  )

  it.effect("stops a server that was not used for long, and starts one for the next use", () =>
    Effect.gen(function* () {
      const { running, use, starts, stopped } = yield* setting({ limits: { idleTimeout: "1 minute" } })
      yield* running
      yield* seconds(50)
      yield* use(() => Effect.void)
      yield* seconds(50)
      assert.strictEqual(yield* Ref.get(stopped), 0)
      yield* seconds(11)
      assert.strictEqual(yield* Ref.get(stopped), 1)
      yield* minutes(10)
      assert.strictEqual(yield* starts, 1)
      yield* use(() => Effect.void)
      assert.strictEqual(yield* starts, 2)
    })
  )

  it.effect("does not count ifRunning as activity: it starts no server and postpones no idle timeout", () =>
    Effect.gen(function* () {
      const { ifRunning, use, starts, stopped } = yield* setting({ limits: { idleTimeout: "1 minute" } })
      assert.isTrue(Option.isNone(yield* ifRunning))
      assert.strictEqual(yield* starts, 0)
      yield* use(() => Effect.void)
      for (let looks = 0; looks < 5; looks++) {
        assert.strictEqual(yield* look(ifRunning), server.url)
        yield* seconds(11)
      }
      yield* seconds(11)
      assert.strictEqual(yield* Ref.get(stopped), 1)
      assert.isTrue(Option.isNone(yield* ifRunning))
      assert.strictEqual(yield* starts, 1)
    })
  )

  it.effect("lets ifRunning wait for a server that starts, and uses that server only", () =>
    Effect.gen(function* () {
      const { ifRunning, running, starts } = yield* setting({ limits: { idleTimeout: "1 minute" }, startMillis: 5000 })
      const starting = yield* Effect.forkChild(running)
      yield* settle
      const looking = yield* Effect.forkChild(look(ifRunning))
      yield* seconds(4)
      assert.isUndefined(looking.pollUnsafe())
      yield* seconds(1)
      assert.strictEqual(yield* Fiber.join(looking), server.url)

      const use = Option.getOrThrow(yield* ifRunning)
      yield* minutes(2)
      assert.isTrue(Option.isNone(yield* ifRunning))
      assert.strictEqual(yield* use(Effect.succeed), yield* Fiber.join(starting))
      assert.strictEqual(yield* starts, 1)
    })
  )

  it.effect.each([
    { name: "one that is attached to and went away", restart: undefined },
    { name: "one that was given up", restart: restartPolicy({ limit: 1, retryAfter: "1 minute" }) }
  ])("restarts a lost server by ifRunning: $name", ({ restart }) =>
    Effect.gen(function* () {
      const { ifRunning, running, starts } = yield* setting({ restart })
      yield* (yield* running).kill
      yield* minutes(2)
      assert.strictEqual(yield* starts, 1)
      assert.strictEqual(yield* look(ifRunning), server.url)
      assert.strictEqual(yield* starts, 2)
    })
  )

  it.effect("fails ifRunning with the reason after it gave up", () =>
    Effect.gen(function* () {
      const { ifRunning, running } = yield* setting({ restart: restartPolicy({ limit: 1 }) })
      yield* (yield* running).kill
      yield* seconds(1)
      assert.strictEqual((yield* Effect.flip(look(ifRunning))).reason._tag, "GaveUp")
    })
  )

  it.effect("never stops a server that is used, or has a busy session of another client", () =>
    Effect.gen(function* () {
      const { use, keepAlive, busy, stopped } = yield* setting({
        limits: { idleTimeout: "1 second", recycle: { age: "1 second" } }
      })
      const call = yield* Effect.forkChild(use(() => Effect.never))
      yield* minutes(1)
      assert.strictEqual(yield* Ref.get(stopped), 0)
      yield* Effect.scoped(Effect.andThen(keepAlive, Effect.andThen(Fiber.interrupt(call), minutes(1))))
      assert.strictEqual(yield* Ref.get(stopped), 0)
      yield* Ref.set(busy, true)
      yield* minutes(1)
      assert.strictEqual(yield* Ref.get(stopped), 0)
      yield* Ref.set(busy, false)
      yield* seconds(2)
      assert.strictEqual(yield* Ref.get(stopped), 1)
    })
  )

  it.effect("replaces a server that is too old", () =>
    Effect.gen(function* () {
      const { running, starts } = yield* setting({ limits: { recycle: { age: "10 minutes" } } })
      yield* running
      yield* minutes(9)
      assert.strictEqual(yield* starts, 1)
      yield* minutes(2)
      assert.strictEqual(yield* starts, 2)
    })
  )

  it.effect("replaces a server that is too large, but not one that was never used", () =>
    Effect.gen(function* () {
      const { running, use, starts } = yield* setting({ limits: { recycle: { memory: 1 } } })
      yield* running
      yield* use(() => Effect.void)
      // Reading the memory of a real process takes real time.
      yield* Effect.repeat(Effect.andThen(seconds(10), starts), { until: (count) => count > 1, times: 100 })
      assert.strictEqual(yield* starts, 2)
      yield* minutes(1)
      assert.strictEqual(yield* starts, 2)
    })
  )

  it.effect("closing waits for busy sessions, as long as it is allowed to", () =>
    Effect.gen(function* () {
      for (const endsAfter of [3, 30]) {
        const { running, close, busy, stopped } = yield* setting({ stopTimeout: "10 seconds" })
        yield* running
        yield* Ref.set(busy, true)
        const closing = yield* Effect.forkChild(close)
        yield* seconds(2)
        assert.strictEqual(yield* Ref.get(stopped), 0)
        yield* seconds(Math.min(endsAfter, 9) - 2)
        if (endsAfter < 10) yield* Ref.set(busy, false)
        yield* seconds(2)
        yield* Fiber.join(closing)
        assert.strictEqual(yield* Ref.get(stopped), 1)
        assert.strictEqual((yield* Effect.flip(running)).reason._tag, "Closed")
      }
    })
  )
})
