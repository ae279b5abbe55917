/** Makes sure that a prompt is stored: a 204 alone is not durable, and may be lost with the server. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { HostError } from "../../HostError.ts"
import { Timeout } from "../../HostErrorReason.ts"
import type { OpenCodeClient, PromptInput } from "../../OpenCodeClient.ts"

/** Stored means: there, with its parts. Without parts it is still being written, or was cut by a crash. */
export const isDelivered = (client: OpenCodeClient, { sessionId, messageId }: PromptInput) =>
  client.messages.get(sessionId, messageId).pipe(
    Effect.map(({ parts }) => parts.length > 0),
    Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false))
  )

/** How long a sent prompt may take to appear; on a loading server 3 s were seen. */
const confirmMillis = 10_000
const confirming = Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: confirmMillis }))

/** Sends under the given ids, and once more if it does not appear: the same ids make one message, run once. */
export const deliver = Effect.fnUntraced(function* (client: OpenCodeClient, input: PromptInput) {
  for (const lastTry of [false, true]) {
    // Whether a request without an answer arrived is seen below.
    yield* client.prompt(input).pipe(
      Effect.catchReasons("HostError", {
        Timeout: () => Effect.void,
        Unavailable: (reason) => (lastTry ? Effect.fail(new HostError({ reason })) : Effect.void)
      })
    )
    const stored = yield* isDelivered(client, input).pipe(
      // The server died, perhaps with the prompt: the next one knows.
      Effect.catchReason("HostError", "Unavailable", () => Effect.succeed(false)),
      Effect.repeat({ until: (is) => is, schedule: confirming })
    )
    if (stored) return
  }
  return yield* new HostError({
    reason: new Timeout({ operation: "delivering the prompt", millis: 2 * confirmMillis })
  })
})
