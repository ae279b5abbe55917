/** A client of Convex that is replaced when it will not answer any more. */
import type { ConvexClient as Client } from "convex/browser"
import { Deferred, Effect, Latch } from "effect"

/** What the deployment did not answer in a row, although connected, before the client is taken for wedged. */
const maxSilence = 3
/** Between a client and the next one: a deployment that ends each must not be asked in a hot loop. */
const replaceDelay = "2 seconds"
/** A client that is dead is not waited for when it does not close. */
const closeTimeout = "2 seconds"

/** One client, which is not asked any more once it is `dead`. */
interface Generation {
  readonly client: Client
  readonly dead: Deferred.Deferred<void>
}

/** `make` makes a client that reports its end. The scope does not close the last one: `close` does. */
export const replaceable = Effect.fnUntraced(function* (make: (end: Effect.Effect<unknown>) => Client) {
  const next = (): Generation => {
    const dead = Deferred.makeUnsafe<void>()
    return { client: make(Deferred.succeed(dead, undefined)), dead }
  }
  let current = next()
  let silence = 0
  const heard = () => {
    silence = 0
  }
  /** Closed while there is no client, between one and the next. */
  const alive = yield* Latch.make(true)
  const registered = new Set<() => void>()
  const close = Effect.suspend(() =>
    current.client.closed ? Effect.void : Effect.promise(() => current.client.close())
  )
  const replace = Effect.gen(function* () {
    yield* Deferred.await(current.dead)
    yield* Latch.close(alive)
    yield* Effect.timeoutOption(close, closeTimeout)
    yield* Effect.sleep(replaceDelay)
    heard()
    current = next()
    yield* Latch.open(alive)
    for (const again of registered) again()
  })

  return {
    close,
    /** Replaces clients for ever. */
    run: Effect.forever(replace),
    now: () => current,
    /** Waits until there is a client. */
    whenAlive: Latch.await(alive),
    /** The deployment answered. */
    heard,
    /** The deployment is connected and did not answer. */
    unanswered: Effect.suspend(() => {
      silence += 1
      return silence < maxSilence ? Effect.void : Effect.asVoid(Deferred.succeed(current.dead, undefined))
    }),
    /** Does `register` with this client and with each one that replaces it, for as long as the scope. */
    withEach: (register: (client: Client) => (() => void) | undefined) => {
      let unregister: (() => void) | undefined
      const again = () => {
        if (!current.client.closed) unregister = register(current.client)
      }
      return Effect.acquireRelease(
        Effect.sync(() => {
          registered.add(again)
          again()
        }),
        () =>
          Effect.sync(() => {
            registered.delete(again)
            unregister?.()
          })
      )
    }
  }
})
