import * as Effect from "effect/Effect"

/**
 * Spans with the attributes `pool` and `key`. Without a tracer to receive it no span is made, because it costs as much as a
 * use. The stack would show the pool and not its caller.
 */
export const makeSpans =
  (pool: string) =>
  <A, E, R>(name: string, key: unknown, run: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber): Effect.Effect<A, E, R> => {
      if (fiber.cache.tracer === undefined) return run()
      const effect: Effect.Effect<A, E, Exclude<R, never>> = Effect.suspend(run)
      return Effect.withSpan(name, { attributes: { pool, key } }, { captureStackTrace: false })(effect)
    })
