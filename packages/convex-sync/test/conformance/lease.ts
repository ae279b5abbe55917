/** `LeaseStore`, by the leases that are held over it. */
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Exit, Scope } from "effect"
import { type Cases, codeOf, eventually, type MakeWorker } from "./Worker.ts"

export const lease = <R>(cases: Cases<R>, worker: MakeWorker<R, "lease", "presence" | "revoke">) =>
  describe("a lease", () => {
    cases.effect("excludes another process until it is released, and not a moment longer", () =>
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

    cases.effect("runs down, and is prolonged by a beat", () =>
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

    cases.effect("is followed at once by one of the same process, and is lost then", () =>
      Effect.gen(function* () {
        const { start } = yield* worker
        const { lease: first } = yield* start("one")
        const { lease: second } = yield* start("one")
        assert.isAbove(second.epoch, first.epoch)
        yield* first.setPhase("ready")
        assert.strictEqual(yield* codeOf(first.lost), "Fenced")
      })
    )

    cases.effect("that was followed frees nothing with its end, and changes nothing that is seen", () =>
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

    cases.effect("shows operators that the worker is there, what it does, and that it is gone", () =>
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
