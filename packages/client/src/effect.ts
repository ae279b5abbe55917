/** The client as an Effect service, over `ConvexClient` of effect-convex, whose errors it fails with. */
import {
  ConvexClient,
  ConvexClientError,
  ConvexClientReason,
  isConvexClientError
} from "@opencode-worker/effect-convex"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { isClientError } from "./ClientError.ts"
import { makeClient, type Client as PromiseClient } from "./Client.ts"
import type { Connection } from "./Connection.ts"

const connectionOf = ({ action, mutation, query, subscribe, url }: ConvexClient["Service"]): Connection => ({
  url,
  query: (reference, args) => Effect.runPromise(query(reference, args)),
  mutation: (reference, args) => Effect.runPromise(mutation(reference, args)),
  action: (reference, args) => Effect.runPromise(action(reference, args)),
  subscribe: (reference, args, onValue, onError) => {
    const fiber = subscribe(reference, args).pipe(
      Stream.runForEach((value) => Effect.sync(() => onValue(value))),
      Effect.catch((error) => Effect.sync(() => onError(error))),
      Effect.runFork
    )
    return () => void Effect.runFork(Fiber.interrupt(fiber))
  },
  // The layer of the connection closes it.
  [Symbol.asyncDispose]: () => Promise.resolve()
})

/** Rejections that are no errors of a client are defects. */
const orDie = (error: unknown): ConvexClientError => {
  if (isConvexClientError(error)) return error
  // Of an upload, which is no call of a function.
  if (isClientError(error)) {
    const { message, operation } = error
    return new ConvexClientError({ operation, reason: new ConvexClientReason.FunctionFailed({ message }) })
  }
  throw error
}

/**
 * Every function of the promise API as an effect or a stream.
 *
 * @example
 * const client = yield* Client
 * const sessions = yield* client.call(({ workers }, options) => workers.list(options))
 * yield* client.stream(({ turns }) => turns.follow(turnId)).pipe(Stream.runForEach(render))
 */
export class Client extends Context.Service<
  Client,
  {
    /** Interruption aborts `options.signal`. */
    readonly call: <A>(
      f: (client: PromiseClient, options: { readonly signal: AbortSignal }) => Promise<A>
    ) => Effect.Effect<A, ConvexClientError>
    readonly stream: <A>(f: (client: PromiseClient) => AsyncIterable<A>) => Stream.Stream<A, ConvexClientError>
  }
>()("@opencode-worker/client/Client") {
  static readonly make = Effect.gen(function* () {
    const client = makeClient(connectionOf(yield* ConvexClient))
    return Client.of({
      call: (f) => Effect.tryPromise({ try: (signal) => f(client, { signal }), catch: orDie }),
      stream: (f) => Stream.suspend(() => Stream.fromAsyncIterable(f(client), orDie))
    })
  })
  static readonly layer = Layer.effect(Client, Client.make)
}
