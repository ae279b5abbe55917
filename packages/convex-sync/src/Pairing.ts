/**
 * How a worker gets its credentials: it makes a secret, shows a code, and waits until a person has approved it.
 *
 * The secret never leaves this process: the deployment gets its SHA-256.
 *
 * @since 0.1.0
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { Effect, Layer, Option, Redacted, Stream } from "effect"
import { Digest, SecureRandom } from "effect/crypto"
import { api, type WorkerCredentials } from "./Backend.ts"
import { ConvexClient } from "./ConvexClient.ts"
import { ConvexSyncError, Rejected } from "./ConvexSyncError.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  readonly pairingId: Id<"pairings">
  /** For a person to type: `XXXX-XXXX`. */
  readonly code: string
  /** Milliseconds of the deployment's clock, 10 minutes after the start. */
  readonly expiresAt: number
  readonly secret: Redacted.Redacted
}

/** Enough that nobody guesses it, and that a plain hash of it gives nothing away. */
const secretBytes = 32

/**
 * Starts a pairing for a worker in `directory` on `machine`, both as people call them.
 *
 * @category operations
 * @since 0.1.0
 */
export const begin = Effect.fn("Pairing.begin")(
  function* (worker: { readonly machine: string; readonly directory: string }) {
    const convex = yield* ConvexClient
    const random = yield* SecureRandom.SecureRandom
    const digest = yield* Digest.Digest
    const secret = Buffer.from(yield* random.randomBytes(secretBytes)).toString("base64url")
    const secretHash = yield* digest.digestHex(Digest.sha256, new TextEncoder().encode(secret))
    const { pairingId, code, expiresAt } = yield* convex.mutation(api.pairing.begin, { ...worker, secretHash })
    return { pairingId, code, expiresAt, secret: Redacted.make(secret, { label: "worker secret" }) } satisfies Attempt
  },
  Effect.provide(Layer.merge(SecureRandom.layerWebCrypto, Digest.layerWebCrypto))
)

/**
 * Waits, without polling, until somebody approves the attempt. Fails with `Rejected` and the code `Expired` when its time
 * is over: begin anew.
 *
 * @category operations
 * @since 0.1.0
 */
export const approved = Effect.fn("Pairing.approved")(function* (attempt: Attempt) {
  const convex = yield* ConvexClient
  const { pairingId } = attempt
  const status = convex.subscribe(api.pairing.status, { pairingId, secret: Redacted.value(attempt.secret) })
  const ended = yield* status.pipe(
    Stream.filter((pairing) => pairing.status !== "pending"),
    Stream.runHead
  )
  const workerId = Option.isSome(ended) ? ended.value.workerId : null
  if (workerId === null) {
    const message = "Nobody approved the code within 10 minutes: begin the pairing anew"
    const data = { code: "Expired", message }
    return yield* new ConvexSyncError({ operation: "pairing:status", reason: new Rejected({ ...data, data }) })
  }
  return { workerId, secret: attempt.secret } satisfies WorkerCredentials
})
