/**
 * The configured default model, which OpenCode's list of models leaves out.
 *
 * It changes only when OpenCode reloads its configuration, which ends the event stream. So it is read while the
 * server loads its directory, kept, and read again after an end of that stream.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import { HostError } from "../../HostError.ts"
import { Unavailable } from "../../HostErrorReason.ts"
import type { OpenCodeServer } from "../../OpenCodeServer.ts"
import { readAs } from "./http.ts"

export interface ProviderMetadata {
  /** `provider/model`, where the configuration names one. */
  readonly model?: string
}

interface RememberedMetadata {
  /** Callers share one request, which goes on when they are interrupted. */
  readonly read: Effect.Effect<ProviderMetadata, HostError>
  readonly forget: Effect.Effect<void>
}

const operation = "providerMetadata"

const isProviderMetadata = (body: unknown): body is ProviderMetadata =>
  Predicate.isObject(body) && (!("model" in body) || Predicate.isString(body["model"]))

/** For as long as the scope lives, which is that of the server. */
export const rememberProviderMetadata = Effect.fnUntraced(function* (server: OpenCodeServer, directory: string) {
  const scope = yield* Effect.scope
  let known: Fiber.Fiber<ProviderMetadata, HostError> | undefined
  const start = Effect.tap(
    Effect.forkIn(readAs(server, { operation, path: "/config", directory }, isProviderMetadata), scope),
    (reading) => {
      known = reading
      return Effect.void
    }
  )
  const ended = new HostError({ reason: new Unavailable({ operation, detail: "the server has ended" }) })
  return {
    read: Effect.gen(function* () {
      const reading = known ?? (yield* start)
      const exit = yield* Fiber.await(reading)
      if (Exit.isFailure(exit) && known === reading) known = undefined
      return yield* Exit.hasInterrupts(exit) ? Effect.fail(ended) : exit
    }),
    forget: Effect.sync(() => {
      known = undefined
    })
  } satisfies RememberedMetadata
})
