/**
 * The part of a Convex client that this package needs, and an implementation over `convex/browser` with time limits and typed
 * errors. It survives reconnects, and fatal errors of the deployment, which would be uncaught exceptions.
 */
import { ConvexClient } from "convex/browser"
import { type FunctionArgs, type FunctionReference, type FunctionReturnType, getFunctionName } from "convex/server"
import { ClientError, type ClientReason, isClientError } from "./ClientError.ts"
import { type Device, deviceAuth } from "./Device.ts"
import { reasonOf } from "./internal/reasonOf.ts"
import { ReplacedClient } from "./internal/replacedClient.ts"

type Call<Kind extends "query" | "mutation" | "action"> = <F extends FunctionReference<Kind>>(
  reference: F,
  args: FunctionArgs<F>
) => Promise<FunctionReturnType<F>>

export interface Connection extends AsyncDisposable {
  /** The deployment's URL, under which this client reaches its files. Default: as the deployment names them. */
  readonly url?: string
  readonly query: Call<"query">
  readonly mutation: Call<"mutation">
  readonly action: Call<"action">
  /** Calls `onChange` with whether the deployment is connected now, and at each change, until the returned function is called. */
  readonly watchStatus?: (onChange: (isConnected: boolean) => void) => () => void
  /** Calls `onValue` with the current result and each later one, until the returned function is called, which may happen twice. */
  readonly subscribe: <F extends FunctionReference<"query">>(
    query: F,
    args: FunctionArgs<F>,
    onValue: (value: FunctionReturnType<F>) => void,
    onError: (error: unknown) => void
  ) => () => void
}

interface CommonOptions {
  /** `https://happy-otter-123.convex.cloud`, or the http(s) URL of a self-hosted or embedded deployment. */
  readonly url: string
  /** Time limit of a call, in milliseconds. Default: 30,000. */
  readonly timeout?: number
}

/** Signs in by a login provider, or as a device. */
export type ConnectOptions = CommonOptions &
  (
    | {
        /** Returns a fresh JWT of the operator. It runs at the start and before a token expires; a failure is retried. */
        readonly auth: () => Promise<string | null>
        readonly device?: never
      }
    | {
        /** The device of the operator: see `claimDevice`. */
        readonly device: Device
        readonly auth?: never
      }
  )

/** Refusals of a device that another attempt cannot change. */
const final: ReadonlySet<string> = new Set(["Revoked", "Unauthenticated", "Expired"])

/** A WebSocket that reports what its message handler throws. The Convex client throws there at fatal errors. */
const guarded = (onThrow: (cause: unknown) => void) =>
  class extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args)
      let handler: ((event: MessageEvent) => void) | null = null
      Object.defineProperty(this, "onmessage", {
        set: (next: typeof handler) => {
          handler = next
        }
      })
      this.addEventListener("message", (event) => {
        try {
          handler?.(event)
        } catch (cause) {
          this.close()
          onThrow(cause)
        }
      })
    }
  }

const firstDelay = 1_000
const longestDelay = 30_000
/** Milliseconds in which a deployment that refuses fresh tokens is asked again. One cannot fetch the keys of an issuer again for 30 s. */
const refusalPatience = 120_000

/** Throws if the URL cannot be used. */
export const connect = ({ auth, device, timeout = 30_000, url }: ConnectOptions): Connection => {
  const nextToken = device === undefined ? auth : deviceAuth({ url, device })
  /** Why the device received no token. Calls fail with it, instead of "sign in". */
  let refusal: ClientReason | undefined
  const pauses = new Set<ReturnType<typeof setTimeout>>()
  const pause = (millis: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        pauses.delete(timer)
        resolve()
      }, millis)
      pauses.add(timer)
    })
  // A rejection would be an uncaught exception, and null would sign the operator out.
  const token = async (client: ConvexClient, delay = firstDelay): Promise<string | null> => {
    if (client.closed) return null
    try {
      return await nextToken()
    } catch (error) {
      if (isClientError(error) && error.reason._tag === "Rejected" && final.has(error.reason.code)) {
        refusal = error.reason
        return null
      }
      if (client.closed) return null
      await pause(delay)
      return token(client, Math.min(delay * 2, longestDelay))
    }
  }
  /** The first token that the deployment has accepted from a client. */
  let accepted: string | null = null
  let refusedSince: number | null = null
  const clients = new ReplacedClient((onFatal) => {
    const client = new ConvexClient(url.replace(/\/+$/, ""), {
      logger: false,
      unsavedChangesWarning: false,
      skipConvexDeploymentUrlCheck: true,
      expectAuth: true,
      initialAuthTokenReuse: true,
      webSocketConstructor: guarded((cause) => {
        const { message } = reasonOf(cause)
        if (message.startsWith("[CONVEX FATAL ERROR]")) onFatal(`The deployment sent a fatal error: ${message}`)
      })
    })
    let last: string | null = null
    const nextOf = async () => (last = await token(client))
    client.setAuth(nextOf, (isAccepted) => {
      if (isAccepted) {
        accepted = last
        refusedSince = null
        return
      }
      // The Convex client gives up after some refusals, and would continue without an identity. A deployment that has just
      // started may refuse valid tokens, because it cannot fetch the keys of their issuer yet.
      const isFresh = accepted !== null && last !== null && last !== accepted
      refusedSince ??= Date.now()
      if (isFresh && Date.now() - refusedSince < refusalPatience) onFatal("The deployment refused a fresh token.")
    })
    return client
  })

  const failureOf = (cause: unknown): ClientReason => {
    const reason = reasonOf(cause)
    return refusal !== undefined && reason._tag === "Rejected" && reason.code === "Unauthenticated" ? refusal : reason
  }
  const timedOut = (): ClientReason =>
    clients.isConnected
      ? { _tag: "Timeout", message: `The deployment did not respond within ${timeout / 1000} s.` }
      : { _tag: "Unreachable", message: `The deployment was not reachable for ${timeout / 1000} s.` }
  const call = async <A>(
    reference: FunctionReference<"query" | "mutation" | "action">,
    start: (client: ConvexClient) => Promise<A>
  ) => {
    const operation = getFunctionName(reference)
    const limit = Promise.withResolvers<never>()
    const timer = setTimeout(() => limit.reject(new ClientError(operation, timedOut())), timeout)
    try {
      return await Promise.race([clients.run(start), limit.promise])
    } catch (cause) {
      throw cause instanceof ClientError ? cause : new ClientError(operation, failureOf(cause))
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    url,
    query: (reference, args) => call(reference, (client) => client.query(reference, args)),
    mutation: (reference, args) => call(reference, (client) => client.mutation(reference, args)),
    action: (reference, args) => call(reference, (client) => client.action(reference, args)),
    subscribe: (query, args, onValue, onError) =>
      clients.withEach(
        (client) =>
          client.onUpdate(query, args, onValue, (cause) =>
            onError(new ClientError(getFunctionName(query), failureOf(cause)))
          ),
        onError
      ),
    watchStatus: (onChange) => {
      let last: boolean | undefined
      const report = (isConnected: boolean) => {
        if (isConnected === last) return
        last = isConnected
        onChange(isConnected)
      }
      return clients.withEach(
        (client) => {
          report(client.connectionState().isWebSocketConnected)
          return client.subscribeToConnectionState(({ isWebSocketConnected }) => report(isWebSocketConnected))
        },
        () => report(false)
      )
    },
    [Symbol.asyncDispose]: () => {
      // They would keep a process alive.
      for (const timer of pauses) clearTimeout(timer)
      return clients.close()
    }
  }
}
