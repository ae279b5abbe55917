/** The host for programs without Effect: promises, async iterables, `AbortSignal` and `await using`. */
import type { OpencodeClient } from "@opencode-ai/sdk/v2/client"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { HostError } from "./HostError.ts"
import { Closed, InvalidOption } from "./HostErrorReason.ts"
import type { HostEvent } from "./HostEvent.ts"
import { makePromiseRunner } from "./internal/promiseRunner.ts"
import { makeSdk } from "./internal/client/sdk.ts"
import type { OpenCodeClient, TurnInput } from "./OpenCodeClient.ts"
import { OpenCodeHost } from "./OpenCodeHost.ts"
import type { OpenCodeHostOptions } from "./OpenCodeHostOptions.ts"
import type { OpenCodeRequestRef, RequestReply } from "./OpenCodeRequest.ts"
import type { OpenCodeServer } from "./OpenCodeServer.ts"
import type { TurnEvent } from "./TurnEvent.ts"

export * from "./HostError.ts"
export * as HostErrorReason from "./HostErrorReason.ts"
export type * from "./types.ts"

export interface HostCallOptions {
  /** Ends the wait: the promise rejects with `signal.reason`. A request that was sent already may still take effect. */
  readonly signal?: AbortSignal
}

/**
 * Every effect of `Port` as a method that returns a promise, with `HostCallOptions` as a last argument. It rejects with
 * `HostError`, whose reason is `Closed` after disposal, and with `signal.reason` after an abort.
 */
export type PromisedPort<Port> = {
  readonly [Name in keyof Port]: Port[Name] extends Effect.Effect<infer A, infer _E>
    ? (options?: HostCallOptions) => Promise<A>
    : Port[Name] extends (...args: infer Args) => Effect.Effect<infer A, infer _E>
      ? (...args: [...Args, options?: HostCallOptions]) => Promise<A>
      : PromisedPort<Port[Name]>
}

/**
 * Promises reject, and iterations throw, as `PromisedPort` says.
 */
export interface AsyncOpenCodeHost extends AsyncDisposable {
  readonly hostId: string
  readonly directory: string
  readonly server: (options?: HostCallOptions) => Promise<OpenCodeServer>
  readonly client: PromisedPort<OpenCodeClient>
  /**
   * The client of `@opencode-ai/sdk/v2`, for calls that `client` does not have. Each request starts the server if need
   * be and goes to the one that runs. The password is added on the way: neither this object nor its requests hold it.
   * Answers and errors are those of the SDK, with a `HostError` where no server can be reached. Calls bypass the host:
   * it does not reply `once` for `always` (`alwaysAsk`), and a prompt sent here may be lost with the server.
   */
  readonly sdk: OpencodeClient
  /** Undefined while no caller needs a server: it was ended for idleness, or not used yet. */
  readonly ifRunning: <A>(
    run: (client: PromisedPort<OpenCodeClient>) => Promise<A>,
    options?: HostCallOptions
  ) => Promise<A | undefined>
  /** Each iteration listens from its first `next` on. */
  readonly events: AsyncIterable<HostEvent>
  /** Leaving the loop early, or an abort of the signal, aborts the turn. */
  readonly turn: (input: TurnInput, options?: HostCallOptions) => AsyncIterable<TurnEvent>
  readonly reply: (
    request: OpenCodeRequestRef,
    reply: RequestReply,
    options?: HostCallOptions
  ) => Promise<"replied" | "closed">
  readonly abort: (sessionId: string, options?: HostCallOptions) => Promise<void>
}

/**
 * Hosts OpenCode until the host is disposed of. Rejects with `HostError`; its reason is `InvalidOption` for an option of the
 * wrong type or range.
 *
 * @example
 * ```ts
 * await using host = await createOpenCodeHost({ directory: process.cwd() })
 * const { id } = await host.client.sessions.create({ title: "Ask" })
 * for await (const event of host.turn({ sessionId: id, text: "Hello" })) {
 *   if (event._tag === "TextDelta") process.stdout.write(event.delta)
 * }
 * ```
 */
export const createOpenCodeHost = async (options: OpenCodeHostOptions): Promise<AsyncOpenCodeHost> => {
  const runner = makePromiseRunner(ManagedRuntime.make(OpenCodeHost.layer(options)), closed)
  const context = await runner.run(Effect.context<OpenCodeHost>())
  const host = await runner.run(OpenCodeHost)
  const { run } = runner
  const server = (call?: HostCallOptions) => run(host.server, call)
  const iterable = <A>(stream: Stream.Stream<A, HostError>, call: HostCallOptions = {}) =>
    Stream.toAsyncIterableWith(
      // The runner rejects after disposal and after the abort.
      Stream.unwrap(
        Effect.as(
          Effect.promise(() => run(Effect.void, call)),
          untilClosed(untilAborted(stream, call))
        )
      ),
      context
    )
  return {
    hostId: host.hostId,
    directory: host.directory,
    server,
    client: promised(host.client, run),
    sdk: makeSdk(host.directory, server),
    // The error of `look` is for its caller alone, of any kind.
    ifRunning: (look, call) =>
      run(
        Effect.map(
          host.ifRunning((client) => Effect.promise(() => look(promised(client, run)))),
          Option.getOrUndefined
        ),
        call
      ),
    events: iterable(host.events),
    turn: (input, call) => iterable(host.turn(input), call),
    reply: (request, reply, call) => run(host.reply(request, reply), call),
    abort: (sessionId, call) => run(host.abort(sessionId), call),
    [Symbol.asyncDispose]: runner[Symbol.asyncDispose]
  }
}

const closed = () => new HostError({ reason: new Closed() })

/** The host interrupts its listeners when it closes. */
const untilClosed = <A>(stream: Stream.Stream<A, HostError>) =>
  Stream.catchCause(stream, (cause) =>
    Cause.hasInterruptsOnly(cause) ? Stream.fail(closed()) : Stream.failCause(cause)
  )

/** The stream is ended, as by leaving the loop, before the iteration throws. */
const untilAborted = <A>(stream: Stream.Stream<A, HostError>, { signal }: HostCallOptions) => {
  if (signal === undefined) return stream
  const aborted = Effect.callback<void>((resume) => {
    const done = () => resume(Effect.void)
    signal.addEventListener("abort", done)
    return Effect.sync(() => signal.removeEventListener("abort", done))
  })
  const reason = Stream.suspend(() => (signal.aborted ? Stream.die(signal.reason) : Stream.empty))
  return Stream.concat(Stream.interruptWhen(stream, aborted), reason)
}

type Run = (effect: Effect.Effect<unknown, unknown>, options?: HostCallOptions) => Promise<unknown>

/** Turns effects into methods, at any depth: at run time what `PromisedPort` says in types. */
function promised<Port extends object>(port: Port, run: Run): PromisedPort<Port>
function promised(member: unknown, run: Run): unknown {
  if (isEffect(member)) return async (...args: ReadonlyArray<unknown>) => run(member, callOptions(args.at(-1)))
  if (Predicate.isFunction(member)) {
    return async (...args: ReadonlyArray<unknown>) => {
      const call = callOptions(args.at(-1))
      return run(member(...(call === undefined ? args : args.slice(0, -1))), call)
    }
  }
  return Object.fromEntries(Object.entries(member ?? {}).map(([name, inner]) => [name, promised(inner, run)]))
}

/** The last argument of a call, when that is what it is: no argument of the client has a `signal`. */
const callOptions = (last: unknown): HostCallOptions | undefined => {
  if (!Predicate.hasProperty(last, "signal")) return undefined
  const { signal } = last
  if (signal === undefined) return {}
  if (signal instanceof AbortSignal) return { signal }
  const reason = new InvalidOption({ option: "signal", expected: "an AbortSignal", actual: `a ${typeof signal}` })
  throw new HostError({ reason })
}

const isEffect = (member: unknown): member is Effect.Effect<unknown, unknown> => Effect.isEffect(member)
