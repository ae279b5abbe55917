/** The testkit for `async`/`await`: the same provider, home and proxy, as disposable objects. */
import { type Duration, Effect, ManagedRuntime, Stream } from "effect"
import type { ChatRequest } from "./ChatRequest.ts"
import { type Direction, FaultProxy, type Stats as ProxyStats, type Target } from "./FaultProxy.ts"
import { OpenCodeHome } from "./OpenCodeHome.ts"
import type { Options as HomeOptions } from "./OpenCodeHome.ts"
import type { Reply } from "./Reply.ts"
import { ScriptedProvider } from "./ScriptedProvider.ts"
import type { Options, ProviderConfig, Script, Stats } from "./ScriptedProvider.ts"

/** A `Script` that may also return a promise. */
export type AsyncScript = (request: ChatRequest) => Reply | PromiseLike<Reply>

/** `ScriptedProvider` without Effect. */
export interface ScriptedProviderHandle extends AsyncDisposable {
  readonly url: string
  readonly config: ProviderConfig
  readonly requests: () => Promise<ReadonlyArray<ChatRequest>>
  readonly count: () => Promise<number>
  readonly stats: () => Promise<Stats>
  readonly setScript: (script: AsyncScript) => Promise<void>
  /** Resolves as soon as the numbers satisfy `condition`; rejects when `signal` aborts. */
  readonly until: (condition: (stats: Stats) => boolean, signal?: AbortSignal) => Promise<void>
}

/** `OpenCodeHome` without Effect. */
export interface OpenCodeHomeHandle extends AsyncDisposable {
  readonly root: string
  readonly directory: string
  readonly configFile: string
  readonly environment: Readonly<Record<string, string>>
}

/** `FaultProxy` without Effect. */
export interface FaultProxyHandle extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly cut: () => Promise<void>
  readonly refuse: () => Promise<void>
  readonly hold: (direction?: Direction) => Promise<void>
  readonly delay: (by: Duration.Input) => Promise<void>
  readonly restore: () => Promise<void>
  readonly stats: () => Promise<ProxyStats>
  /** Resolves as soon as the numbers satisfy `condition`; rejects when `signal` aborts. */
  readonly until: (condition: (stats: ProxyStats) => boolean, signal?: AbortSignal) => Promise<void>
}

/** The first element of `changes` that satisfies `condition`. */
const first = <A>(changes: Stream.Stream<A>, condition: (value: A) => boolean) =>
  changes.pipe(Stream.filter(condition), Stream.runHead, Effect.asVoid)

const stoppable = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal })

const fromAsync =
  (script: AsyncScript): Script =>
  (request) =>
    Effect.promise(async () => script(request))

/** Starts a scripted provider; `await using` frees its port. Rejects with `TestkitError`. */
export const scriptedProvider = async (script: AsyncScript, options?: Options): Promise<ScriptedProviderHandle> => {
  const runtime = ManagedRuntime.make(ScriptedProvider.layer(fromAsync(script), options))
  const provider = await runtime.runPromise(ScriptedProvider)
  return {
    url: provider.url,
    config: provider.config,
    requests: () => runtime.runPromise(provider.requests),
    count: () => runtime.runPromise(provider.count),
    stats: () => runtime.runPromise(provider.stats),
    setScript: (next) => runtime.runPromise(provider.setScript(fromAsync(next))),
    until: (condition, signal) => runtime.runPromise(first(provider.changes, condition), stoppable(signal)),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}

/** Creates a temporary home; `await using` removes it. Rejects with `TestkitError`. */
export const openCodeHome = async (options?: HomeOptions): Promise<OpenCodeHomeHandle> => {
  const runtime = ManagedRuntime.make(OpenCodeHome.layer(options))
  const home = await runtime.runPromise(OpenCodeHome)
  return { ...home, [Symbol.asyncDispose]: () => runtime.dispose() }
}

/**
 * Starts a proxy in front of `target`; `await using` resets its connections and frees its port. Rejects with `TestkitError`.
 */
export const faultProxy = async (target: Target): Promise<FaultProxyHandle> => {
  const runtime = ManagedRuntime.make(FaultProxy.layer(target))
  const proxy = await runtime.runPromise(FaultProxy)
  return {
    port: proxy.port,
    url: proxy.url,
    cut: () => runtime.runPromise(proxy.cut),
    refuse: () => runtime.runPromise(proxy.refuse),
    hold: (direction) => runtime.runPromise(proxy.hold(direction)),
    delay: (by) => runtime.runPromise(proxy.delay(by)),
    restore: () => runtime.runPromise(proxy.restore),
    stats: () => runtime.runPromise(proxy.stats),
    until: (condition, signal) => runtime.runPromise(first(proxy.changes, condition), stoppable(signal)),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}
