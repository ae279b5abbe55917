/** `LeaseStore`, tested through leases. */
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Exit, Scope } from "effect"
import { type Cases, codeOf, eventually, type MakeWorker } from "./Worker.ts"

export const lease = <R>(cases: Cases<R>, worker: MakeWorker<R, "lease", "presence" | "revoke">) =>
  describe("a lease", () => {
    cases.effect("excludes another process exactly until it is released", () =>
      Effect.gen(function* () {
        const { start } = yield* worker
        const scope = yield* Scope.make()
        const { lease: first } = yield* Scope.provide(start("one"), scope)
        assert.strictEqual(yield* codeOf(start("two")), "Conflict")
        assert.strictEqual(yield* codeOf(start("two")), "Conflict")
        yield* Scope.close(scope, Exit.void)
        const { lease: second } = yield* start("two")
        assert.isAbove(second.epoch, first.epoch)
      })
    )

    cases.effect("expires unless a heartbeat extends it", () =>
      Effect.gen(function* () {
        const { start } = yield* worker
        const { lease: held } = yield* start("one")
        const granted = yield* held.remaining
        assert.isAbove(Duration.toMillis(granted), 0)
        const later = Duration.subtract(granted, Duration.seconds(1))
        const left = yield* eventually(held.remaining, (now) => Duration.isLessThan(now, later))
        yield* held.setPhase("ready")
        yield* eventually(held.remaining, (now) => Duration.isGreaterThan(now, left))
      })
    )

    cases.effect("is lost at once when the same process acquires another lease", () =>
      Effect.gen(function* () {
        const { start } = yield* worker
        const { lease: first } = yield* start("one")
        const { lease: second } = yield* start("one")
        assert.isAbove(second.epoch, first.epoch)
        yield* first.setPhase("ready")
        assert.strictEqual(yield* codeOf(first.lost), "Fenced")
      })
    )

    cases.effect("releases and changes nothing after it was superseded", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const scope = yield* Scope.make()
        yield* Scope.provide(start("one"), scope)
        const { lease: second } = yield* start("one")
        yield* second.setPhase("ready")
        yield* eventually(operator.presence, ({ phase }) => phase === "ready")
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* codeOf(start("two")), "Conflict")
        assert.deepInclude(yield* operator.presence, { phase: "ready", online: true })
      })
    )

    cases.effect("shows operators that the worker is online, its phase, and that it has stopped", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        assert.isFalse((yield* operator.presence).online)
        const scope = yield* Scope.make()
        const { lease: held } = yield* Scope.provide(start("one"), scope)
        assert.isTrue((yield* operator.presence).online)
        yield* held.setPhase("draining")
        yield* eventually(operator.presence, ({ phase }) => phase === "draining")
        yield* Scope.close(scope, Exit.void)
        assert.isFalse((yield* operator.presence).online)
      })
    )

    cases.effect("is lost when the worker is revoked, and cannot be acquired again", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { lease: held } = yield* start("one")
        yield* operator.revoke
        yield* held.setPhase("ready")
        assert.strictEqual(yield* codeOf(held.lost), "Revoked")
        assert.strictEqual(yield* codeOf(start("one")), "Revoked")
      })
    )
  })
