import * as Effect from "effect/Effect"
import type { OpenCodeServer } from "../../OpenCodeServer.ts"
import { send } from "./http.ts"

/**
 * Makes a fresh server load what a prompt needs (providers, tools, agents). Before that, a prompt that was accepted may
 * be lost in a crash: 48 of 49 were; after it, 5 of 5 were kept. It needs no model call and leaves no trace.
 */
export const warmUp = Effect.fnUntraced(function* (server: OpenCodeServer, directory: string) {
  const paths = ["/config/providers", "/experimental/tool/ids", "/agent"]
  const load = (path: string) =>
    send(server, { operation: "loading the directory", path, directory }).pipe(
      Effect.flatMap((response) => Effect.promise(() => response.text())),
      Effect.ignoreCause
    )
  yield* Effect.forEach(paths, load, { concurrency: "unbounded", discard: true })
})
