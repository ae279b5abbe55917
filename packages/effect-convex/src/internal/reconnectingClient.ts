/** A Convex client that is replaced when it ended for good or no longer receives responses. */
import type { ConvexClient as Client } from "convex/browser"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/** Time-outs in a row, while connected, after which the client counts as wedged. */
const maxSilence = 3
/** Characters per second of the slowest supported connection. A large call that may still be in transit is no silence. */
const slowest = 16_000
/** Delay before a replacement: a deployment that ends every client must not be called in a hot loop. */
const replaceDelay = "2 seconds"
/** A socket that neither opens nor closes must not block the disposal or the replacement of its client. */
const closeTimeout = "2 seconds"

/** Characters between one client and the deployment. */
export interface Traffic {
  sent: number
  /** The part of `sent` that certainly arrived, because the deployment responded to it. */
  arrived: number
  /** When the slowest connection would have delivered `sent`, in epoch milliseconds. */
  expectedDeliveryAt: number
  /** Time-outs since the last response. */
  silence: number
}

/** One client. It is no longer used once it is `dead`. */
export interface Generation {
  readonly client: Client
  readonly dead: Deferred.Deferred<void>
  readonly traffic: Traffic
}

const expectDelivery = (traffic: Traffic, characters: number, from: number) => {
  traffic.expectedDeliveryAt = from + (characters / slowest) * 1000
}

/** Callbacks of a client. */
interface Reports {
  readonly end: Effect.Effect<unknown>
  readonly recordSent: (characters: number) => void
}

/** The scope does not close the last client; `close` does. */
export const reconnectingClient = Effect.fnUntraced(function* (make: (reports: Reports) => Client) {
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const next = (): Generation => {
    const dead = Deferred.makeUnsafe<void>()
    const traffic: Traffic = { sent: 0, arrived: 0, expectedDeliveryAt: 0, silence: 0 }
    const recordSent = (characters: number) => {
      traffic.sent += characters
      expectDelivery(traffic, characters, Math.max(traffic.expectedDeliveryAt, now()))
    }
    return { client: make({ end: Deferred.succeed(dead, undefined), recordSent }), dead, traffic }
  }
  let current = next()
  /** Closed between one client and the next. */
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
    for (const register of registered) register()
  })

  return {
    close,
    /** Replaces dead clients until it is interrupted. */
    run: Effect.forever(replace),
    current: () => current,
    isConnected: () => !current.client.closed && current.client.connectionState().isWebSocketConnected,
    whenAlive: Latch.await(alive),
    /** The deployment sent something. */
    onActivity: () => {
      current.traffic.silence = 0
    },
    /** Call it when a call was sent, and its result when the response arrived. */
    recordCall: () => {
      const { traffic } = current
      const { sent } = traffic
      return () => {
        traffic.silence = 0
        traffic.arrived = Math.max(traffic.arrived, sent)
        expectDelivery(traffic, traffic.sent - traffic.arrived, now())
      }
    },
    /** A call timed out while connected. */
    onTimeout: Effect.suspend(() => {
      const { dead, traffic } = current
      traffic.silence += 1
      const isWedged = traffic.silence >= maxSilence && now() >= traffic.expectedDeliveryAt
      return isWedged ? Effect.asVoid(Deferred.succeed(dead, undefined)) : Effect.void
    }),
    /** Calls `register` with this client and with each replacement, for the lifetime of the scope. */
    withEach: (register: (client: Client) => (() => void) | undefined) => {
      let unregister: (() => void) | undefined
      const registerCurrent = () => {
        if (!current.client.closed) unregister = register(current.client)
      }
      return Effect.acquireRelease(
        Effect.sync(() => {
          registered.add(registerCurrent)
          registerCurrent()
        }),
        () =>
          Effect.sync(() => {
            registered.delete(registerCurrent)
            unregister?.()
          })
      )
    }
  }
})
