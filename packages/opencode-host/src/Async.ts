/**
 * The same host for programs that use promises.
 *
 * @since 0.1.0
 */
import { Effect, type Layer, ManagedRuntime, Option, Predicate, Stream } from "effect"
import type { HostError } from "./HostError.ts"
import type { HostEvent } from "./HostEvent.ts"
import { ascendingId } from "./Ids.ts"
import type { OpenCodeClient, TurnInput } from "./OpenCodeClient.ts"
import { OpenCodeHost, type Options } from "./OpenCodeHost.ts"
import type { OpenCodeServer } from "./OpenCodeServer.ts"
import type { TurnEvent } from "./TurnEvent.ts"

/**
 * Every effect of `Port` as a method that returns a promise; it rejects with `HostError`.
 *
 * @category models
 * @since 0.1.0
 */
export type Promised<Port> = {
  readonly [Name in keyof Port]: Port[Name] extends Effect.Effect<infer A, infer _E>
    ? () => Promise<A>
    : Port[Name] extends (...args: infer Args) => Effect.Effect<infer A, infer _E>
      ? (...args: Args) => Promise<A>
      : Promised<Port[Name]>
}

/**
 * A prompt whose ids are made for it, unless they are given.
 *
 * @category models
 * @since 0.1.0
 */
export type AsyncTurnInput = Omit<TurnInput, "messageId" | "partIds"> &
  Partial<Pick<TurnInput, "messageId" | "partIds">>

/**
 * @category models
 * @since 0.1.0
 */
export interface AsyncOpenCodeHost extends AsyncDisposable {
  readonly hostId: string
  readonly directory: string
  readonly server: () => Promise<OpenCodeServer>
  readonly client: Promised<OpenCodeClient>
  /** Undefined while nobody needs a server: it was ended for idleness, or not used yet. */
  readonly ifAwake: <A>(run: (client: Promised<OpenCodeClient>) => Promise<A>) => Promise<A | undefined>
  /** Each iteration listens from its first `next` on. */
  readonly events: AsyncIterable<HostEvent>
  /** Leaving the loop early aborts the turn. */
  readonly turn: (input: AsyncTurnInput) => AsyncIterable<TurnEvent>
  readonly abort: (sessionId: string) => Promise<void>
}

/**
 * Hosts OpenCode until it is disposed: `await using host = await openHost({ directory })`. Rejects with `HostError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openHost = async (options: Options): Promise<AsyncOpenCodeHost> => {
  const layer: Layer.Layer<OpenCodeHost, HostError> = OpenCodeHost.layer(options)
  const runtime = ManagedRuntime.make(layer)
  const context = await runtime.context()
  const host = await runtime.runPromise(OpenCodeHost)
  const run: Run = (effect) => runtime.runPromise(effect)
  return {
    hostId: host.hostId,
    directory: host.directory,
    server: () => runtime.runPromise(host.server),
    client: promised(host.client, run),
    // What `look` rejects with is for its caller alone, whatever it is.
    ifAwake: (look) =>
      runtime.runPromise(
        Effect.map(
          host.ifAwake((client) => Effect.promise(() => look(promised(client, run)))),
          Option.getOrUndefined
        )
      ),
    events: Stream.toAsyncIterableWith(host.events, context),
    turn: (input) => Stream.toAsyncIterableWith(Stream.unwrap(Effect.map(withIds(input), host.turn)), context),
    abort: (sessionId) => runtime.runPromise(host.abort(sessionId)),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}

const withIds = Effect.fnUntraced(function* (input: AsyncTurnInput) {
  const messageId = input.messageId ?? (yield* ascendingId("msg"))
  const partIds = input.partIds ?? ([yield* ascendingId("prt")] as const)
  return { ...input, messageId, partIds }
})

type Run = (effect: Effect.Effect<unknown, unknown>) => Promise<unknown>

/** Turns effects into methods, at any depth: at run time what `Promised` says in types. */
function promised<Port extends object>(port: Port, run: Run): Promised<Port>
function promised(member: unknown, run: Run): unknown {
  if (isEffect(member)) return () => run(member)
  if (Predicate.isFunction(member)) return (...args: ReadonlyArray<unknown>) => run(member(...args))
  return Object.fromEntries(Object.entries(member ?? {}).map(([name, inner]) => [name, promised(inner, run)]))
}

const isEffect = (member: unknown): member is Effect.Effect<unknown, unknown> => Effect.isEffect(member)
