/**
 * A receiver of notifications on loopback, which drops repeats by their id. It fails some of the first attempts after it has
 * read them, as a receiver does whose response is lost.
 */
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { Effect, Option, Schema } from "effect"
import type { Violation } from "./Judge.ts"
import { until } from "./NotReached.ts"

/** Every so many new notifications, the first attempt is received and not acknowledged. */
const lostResponses = 4
/** The next attempt follows after 15 s, and later ones after a minute. */
const patience = "150 seconds"

const Received = Schema.fromJsonString(Schema.Struct({ id: Schema.String }))

export const makeNotifications = Effect.gen(function* () {
  /** The body of each id. */
  const received = new Map<string, string>()
  const expected = new Set<string>()
  const changed = new Set<string>()
  let repeats = 0
  const accept = (body: string) => {
    const { id } = Schema.decodeSync(Received)(body)
    const earlier = received.get(id)
    received.set(id, body)
    if (earlier === undefined) return received.size % lostResponses !== 0
    repeats += 1
    if (earlier !== body) changed.add(id)
    return true
  }
  const server = createServer(
    (request, response) =>
      void text(request).then((body) => (accept(body) ? response.writeHead(204).end() : response.destroy()))
  )
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  const address = server.address()
  const port = typeof address === "object" ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${port}/hook`,
    /** The id that the notification of an item must have. */
    expect: ({ at, itemId }: { readonly at: number; readonly itemId: string }) =>
      Effect.sync(() => expected.add(`${itemId}-${at}`)),
    /** Waits for all that are expected. */
    check: Effect.gen(function* () {
      const missing = () => [...expected].filter((id) => !received.has(id))
      yield* Effect.ignore(
        until(
          "all notifications",
          Effect.sync(() => (missing().length === 0 ? Option.some(undefined) : Option.none())),
          { limit: patience }
        )
      )
      const violations: ReadonlyArray<Violation> = [
        ...missing().map((id) => ({ kind: "lost" as const, why: `the notification ${id} did not arrive` })),
        ...[...changed].map((id) => ({
          kind: "duplicated" as const,
          why: `the notification ${id} differs from its repeat`
        }))
      ]
      return { expected: expected.size, received: received.size, repeats, violations }
    })
  }
})
