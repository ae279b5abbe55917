/** Chooses the adapter by the engine of the server that runs: known only once it does. */
import { Effect, Predicate } from "effect"
import { classicCapabilities, type Engine, nextCapabilities } from "../Capabilities.ts"
import type { HostError } from "../HostError.ts"
import type { OpenCodeClient } from "../OpenCodeClient.ts"
import { classicClient } from "./classic.ts"
import { nextClient } from "./next.ts"
import type { Supervisor } from "./supervisor.ts"
import { makeTransport } from "./transport.ts"

/** What an adapter implements. */
export type EngineClient = Omit<OpenCodeClient, "capabilities">

export const makeClient = (use: Supervisor["use"], directory: string): OpenCodeClient => {
  const transport = makeTransport(use)
  const engine = use(({ server }) => Effect.succeed(server.engine))
  const adapters = { classic: classicClient(transport, directory), next: nextClient(transport, directory) }
  return {
    capabilities: use(({ server: { engine: name, passwordHidden } }) =>
      Effect.succeed({ ...(name === "next" ? nextCapabilities : classicCapabilities), passwordHidden })
    ),
    ...routed(adapters.classic, adapters.next, engine)
  }
}

/** A port each of whose effects runs on the adapter of the moment, at any depth. */
function routed<Port extends object>(classic: Port, next: Port, engine: Effect.Effect<Engine, HostError>): Port
function routed(classic: unknown, next: unknown, engine: Effect.Effect<Engine, HostError>): unknown {
  if (isEffect(classic) && isEffect(next)) {
    return Effect.flatMap(engine, (name) => (name === "next" ? next : classic))
  }
  if (Predicate.isFunction(classic) && Predicate.isFunction(next)) {
    return (...args: ReadonlyArray<unknown>) => routed(classic(...args), next(...args), engine)
  }
  const others = new Map(Object.entries(next ?? {}))
  return Object.fromEntries(
    Object.entries(classic ?? {}).map(([name, member]) => [name, routed(member, others.get(name), engine)])
  )
}

const isEffect = (member: unknown): member is Effect.Effect<unknown, unknown> => Effect.isEffect(member)
