/**
 * The part of a Convex client that this package needs, and an implementation over `convex/browser` with time limits and typed
 * errors. It survives reconnects. A fatal error of the deployment closes it instead of becoming an uncaught exception.
 */
import { ConvexClient } from "convex/browser"
import { type FunctionArgs, type FunctionReference, type FunctionReturnType, getFunctionName } from "convex/server"
import { ClientError, type ClientReason, isClientError } from "./ClientError.ts"
import { type Device, deviceAuth } from "./Device.ts"
import { reasonOf } from "./internal/reasonOf.ts"

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

/** Throws if the URL cannot be used. */
export const connect = ({ auth, device, timeout = 30_000, url }: ConnectOptions): Connection => {
  const nextToken = device === undefined ? auth : deviceAuth({ url, device })
  /** Why the device received no token. Calls fail with it, instead of "sign in". */
  let refusal: ClientReason | undefined
  const closed = Promise.withResolvers<never>()
  // Each call handles it; without a call it is no failure.
  closed.promise.catch(() => undefined)
  const listeners = new Set<(error: ClientError) => void>()
  const close = async (message: string) => {
    const error = new ClientError("connect", { _tag: "Closed", message })
    closed.reject(error)
    for (const fail of listeners) fail(error)
    if (!client.closed) await client.close()
  }
  const client = new ConvexClient(url.replace(/\/+$/, ""), {
    logger: false,
    unsavedChangesWarning: false,
    skipConvexDeploymentUrlCheck: true,
    expectAuth: true,
    initialAuthTokenReuse: true,
    webSocketConstructor: guarded((cause) => {
      const { message } = reasonOf(cause)
      if (message.startsWith("[CONVEX FATAL ERROR]")) void close(`The deployment sent a fatal error: ${message}`)
    })
  })
  // A rejection would be an uncaught exception, and null would sign the operator out.
  const token = async (delay = firstDelay): Promise<string | null> => {
    if (client.closed) return null
    try {
      return await nextToken()
    } catch (error) {
      if (isClientError(error) && error.reason._tag === "Rejected" && final.has(error.reason.code)) {
        refusal = error.reason
        return null
      }
      await new Promise((resolve) => setTimeout(resolve, delay))
      return token(Math.min(delay * 2, longestDelay))
    }
  }
  client.setAuth(() => token())

  const failureOf = (cause: unknown): ClientReason => {
    const reason = reasonOf(cause)
    return refusal !== undefined && reason._tag === "Rejected" && reason.code === "Unauthenticated" ? refusal : reason
  }
  const timedOut = (): ClientReason =>
    client.connectionState().isWebSocketConnected
      ? { _tag: "Timeout", message: `The deployment did not respond within ${timeout} ms.` }
      : { _tag: "Unreachable", message: `The deployment was not reachable for ${timeout} ms.` }
  const call = async <A>(reference: FunctionReference<"query" | "mutation" | "action">, start: () => Promise<A>) => {
    const operation = getFunctionName(reference)
    const limit = Promise.withResolvers<never>()
    const timer = setTimeout(() => limit.reject(new ClientError(operation, timedOut())), timeout)
    try {
      // A closed client never responds.
      const response = client.closed ? closed.promise : start()
      return await Promise.race([response, closed.promise, limit.promise])
    } catch (cause) {
      throw cause instanceof ClientError ? cause : new ClientError(operation, failureOf(cause))
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    url,
    query: (reference, args) => call(reference, () => client.query(reference, args)),
    mutation: (reference, args) => call(reference, () => client.mutation(reference, args)),
    action: (reference, args) => call(reference, () => client.action(reference, args)),
    subscribe: (query, args, onValue, onError) => {
      if (client.closed) {
        closed.promise.catch(onError)
        return () => undefined
      }
      const listener = (error: ClientError) => onError(error)
      listeners.add(listener)
      const unsubscribe = client.onUpdate(query, args, onValue, (cause) =>
        onError(new ClientError(getFunctionName(query), failureOf(cause)))
      )
      return () => {
        if (listeners.delete(listener)) unsubscribe()
      }
    },
    watchStatus: (onChange) => {
      let last = client.connectionState().isWebSocketConnected
      onChange(last)
      return client.subscribeToConnectionState(({ isWebSocketConnected }) => {
        if (isWebSocketConnected === last) return
        last = isWebSocketConnected
        onChange(last)
      })
    },
    [Symbol.asyncDispose]: () => close("The client is closed.")
  }
}
