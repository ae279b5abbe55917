/** A client of Convex that is replaced when it will not answer any more. */
import type { ConvexClient as Client } from "convex/browser"
import { Clock, Deferred, Effect, Latch } from "effect"

/** What the deployment did not answer in a row, although connected, before the client is taken for wedged. */
const maxSilence = 3
/** Characters a second of the slowest connection: a deployment is not silent while it may still be hearing a large call. */
const slowest = 16_000
/** Between a client and the next one: a deployment that ends each must not be asked in a hot loop. */
const replaceDelay = "2 seconds"
/** A socket that neither opens nor closes must not hold up the disposal or the replacement of its client. */
const closeTimeout = "2 seconds"

/** What passed between a client and the deployment, in characters. */
export interface Traffic {
  sent: number
  /** Of what was sent, what the deployment has had for certain, because it answered what was sent last of it. */
  arrived: number
  /** When the slowest connection would have carried all of it, in milliseconds. */
  carriedAt: number
  /** Calls left unanswered since the last word. */
  silence: number
}

/** One client, which is not asked any more once it is `dead`. */
export interface Generation {
  readonly client: Client
  readonly dead: Deferred.Deferred<void>
  readonly traffic: Traffic
}

const carry = (traffic: Traffic, characters: number, from: number) => {
  traffic.carriedAt = from + (characters / slowest) * 1000
}

/** How a client reports what becomes of it. */
interface Reports {
  readonly end: Effect.Effect<unknown>
  readonly sent: (characters: number) => void
}

/** The scope does not close the last client: `close` does. */
export const replaceable = Effect.fnUntraced(function* (make: (reports: Reports) => Client) {
  const clock = yield* Clock.Clock
  const next = (): Generation => {
    const dead = Deferred.makeUnsafe<void>()
    const traffic: Traffic = { sent: 0, arrived: 0, carriedAt: 0, silence: 0 }
    const sent = (characters: number) => {
      traffic.sent += characters
      carry(traffic, characters, Math.max(traffic.carriedAt, clock.currentTimeMillisUnsafe()))
    }
    return { client: make({ end: Deferred.succeed(dead, undefined), sent }), dead, traffic }
  }
  let current = next()
  /** Closed while there is no client, between one and the next. */
  const alive = yield* Latch.make(true)
  const registered = new Set<() => void>()
  const close = Effect.suspend(() =>
    current.client.closed ? Effect.void : Effect.promise(() => current.client.close())
  ).pipe(Effect.timeoutOption(closeTimeout))
  const replace = Effect.gen(function* () {
    yield* Deferred.await(current.dead)
    yield* Latch.close(alive)
    yield* close
    yield* Effect.sleep(replaceDelay)
    current = next()
    yield* Latch.open(alive)
    for (const again of registered) again()
  })

  return {
    close,
    /** Replaces clients for ever. */
    run: Effect.forever(replace),
    now: () => current,
    isConnected: () => !current.client.closed && current.client.connectionState().isWebSocketConnected,
    /** Waits until there is a client. */
    whenAlive: Latch.await(alive),
    /** The deployment said something. */
    heard: () => {
      current.traffic.silence = 0
    },
    /** Call it when a call was sent, and the result when it was answered. */
    sentCall: () => {
      const { traffic } = current
      const { sent } = traffic
      return () => {
        traffic.silence = 0
        traffic.arrived = Math.max(traffic.arrived, sent)
        carry(traffic, traffic.sent - traffic.arrived, clock.currentTimeMillisUnsafe())
      }
    },
    /** The deployment is connected and did not answer. */
    unanswered: Effect.suspend(() => {
      const { dead, traffic } = current
      traffic.silence += 1
      const isWedged = traffic.silence >= maxSilence && clock.currentTimeMillisUnsafe() >= traffic.carriedAt
      return isWedged ? Effect.asVoid(Deferred.succeed(dead, undefined)) : Effect.void
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
