/**
 * The configured default model, which OpenCode's list of models leaves out.
 *
 * It changes only when OpenCode loads its configuration anew, which ends the event stream. So it is read while the
 * server loads its directory, kept, and read again after an end of that stream.
 */
import { Effect, Exit, Fiber, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { HostError, Protocol, Unavailable } from "../HostError.ts"
import type { OpenCodeServer } from "../OpenCodeServer.ts"
import { get } from "./instance.ts"

export interface Settings {
  /** `provider/model`, where the configuration names one. */
  readonly model?: string
}

interface RememberedSettings {
  /** Callers share one request, which goes on when they are interrupted. */
  readonly read: Effect.Effect<Settings, HostError>
  readonly forget: Effect.Effect<void>
}

const operation = "settings"

const Config = Schema.Struct({ model: Schema.optionalKey(Schema.String) })

const fetchSettings = Effect.fnUntraced(
  function* (server: OpenCodeServer, directory: string): Effect.fn.Return<Settings, unknown, HttpClient.HttpClient> {
    const request = get(server, "/config").pipe(HttpClientRequest.setUrlParam("directory", directory))
    const response = yield* Effect.flatMap(HttpClient.execute(request), HttpClientResponse.filterStatusOk)
    return yield* HttpClientResponse.schemaBodyJson(Config)(response)
  },
  Effect.mapError((error) =>
    Schema.isSchemaError(error)
      ? new HostError({ reason: new Protocol({ operation, detail: error.message }) })
      : new HostError({ reason: new Unavailable({ operation, detail: String(error) }) })
  )
)

/** For as long as the scope lives, which is that of the server. */
export const rememberSettings = Effect.fnUntraced(function* (server: OpenCodeServer, directory: string) {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<HttpClient.HttpClient>()
  let known: Fiber.Fiber<Settings, HostError> | undefined
  const start = Effect.tap(
    Effect.forkIn(Effect.provide(fetchSettings(server, directory), context), scope),
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
  } satisfies RememberedSettings
})
