import { Effect, type Scope } from "effect"
import { describe, expectTypeOf, it } from "vitest"
import { createSessionPool } from "../src/async.ts"
import { SessionPool, type SessionPoolError } from "../src/index.ts"

class Service {
  declare readonly service: "service"
}

describe("types", () => {
  it("make requires the services of open, and a scope", () => {
    const open = (_key: string) => Effect.as(Effect.void as Effect.Effect<void, "refused", Service | Scope.Scope>, 1)
    const made = SessionPool.make({ open, capacity: 1 })
    expectTypeOf(made).toEqualTypeOf<
      Effect.Effect<SessionPool.SessionPool<string, number, "refused">, never, Service | Scope.Scope>
    >()
  })

  it("use and get fail with the errors of open and of the pool", () => {
    type Pool = SessionPool.SessionPool<string, number, "refused">
    const use = (pool: Pool) => pool.use("a", (n) => (n > 0 ? Effect.succeed(n) : Effect.fail("negative" as const)))
    expectTypeOf<ReturnType<typeof use>>().toEqualTypeOf<
      Effect.Effect<number, "refused" | "negative" | SessionPoolError>
    >()
    expectTypeOf<ReturnType<Pool["get"]>>().toEqualTypeOf<
      Effect.Effect<number, "refused" | SessionPoolError, Scope.Scope>
    >()
    expectTypeOf<Parameters<Pool["get"]>>().toEqualTypeOf<[key: string]>()
  })

  it("createSessionPool infers key and resource", () => {
    type Made = Awaited<ReturnType<typeof createSessionPool<string, { readonly id: number }>>>
    expectTypeOf<Parameters<Made["use"]>[0]>().toEqualTypeOf<string>()
    expectTypeOf<{ open: () => string }>().not.toExtend<Parameters<typeof createSessionPool<string, string>>[0]>()
  })
})
