/**
 * How a worker gets its credentials: it makes a secret, shows a code, and waits until a person has approved it. Later it
 * can replace the secret by itself.
 *
 * The deployment keeps the SHA-256 of a secret only, and gets a new one as that.
 *
 * @since 0.1.0
 */
import { ConvexClient } from "@opencode-worker/effect-convex"
import type { Id } from "@opencode-worker/convex-backend/api"
import { Effect, Layer, Option, Redacted, Stream } from "effect"
import { Digest, SecureRandom } from "effect/crypto"
import { api, type WorkerCredentials } from "./Backend.ts"
import { ConvexSyncError, ConvexSyncReason, isConvexSyncError, isTransient } from "./ConvexSyncError.ts"
import { pairingName } from "./internal/pairingName.ts"
import { Lease } from "./Lease.ts"

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

/**
 * Credentials as they are kept on a disk. While a rotation is under way they have both secrets, of which one counts: use
 * them by `withCurrent`.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeptCredentials extends WorkerCredentials {
  readonly previous?: Redacted.Redacted
}

/**
 * Credentials of an approved worker, and the identity that it belongs to: `issuer|subject`, which never changes.
 *
 * @category models
 * @since 0.1.0
 */
export interface OwnedCredentials extends WorkerCredentials {
  readonly ownerId: string
}

/** Enough that nobody guesses it, and that a plain hash of it gives nothing away. */
const secretBytes = 32

const makeSecret = Effect.gen(function* () {
  const random = yield* SecureRandom.SecureRandom
  const digest = yield* Digest.Digest
  const secret = Buffer.from(yield* random.randomBytes(secretBytes)).toString("base64url")
  const secretHash = yield* digest.digestHex(Digest.sha256, new TextEncoder().encode(secret))
  return { secret: Redacted.make(secret, { label: "worker secret" }), secretHash }
}).pipe(Effect.provide(Layer.merge(SecureRandom.layerWebCrypto, Digest.layerWebCrypto)))

/**
 * Starts a pairing for a worker in `directory` on `machine`, both as people call them. A name longer than 100 bytes is cut,
 * and … marks where: a machine keeps its beginning, a directory its end.
 *
 * @category operations
 * @since 0.1.0
 */
export const begin = Effect.fn("Pairing.begin")(function* (worker: {
  readonly machine: string
  readonly directory: string
}) {
  const convex = yield* ConvexClient
  const { secret, secretHash } = yield* makeSecret
  const { pairingId, code, expiresAt } = yield* convex.mutation(api.pairing.begin, {
    machine: pairingName(worker.machine, "head"),
    directory: pairingName(worker.directory, "tail"),
    secretHash
  })
  return { pairingId, code, expiresAt, secret } satisfies Attempt
})

/**
 * Waits, without polling, until a person approves the attempt. Compare the `ownerId` before you take work: the code may
 * have been approved by another person than the one that you showed it to. Fails with `Rejected` and the code `Expired`
 * when its time is over: begin again.
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
  const { ownerId, workerId } = Option.isSome(ended) ? ended.value : { ownerId: null, workerId: null }
  if (workerId === null || ownerId === null) {
    const message = "The code was not approved within 10 minutes: begin the pairing again"
    const data = { code: "Expired", message }
    return yield* new ConvexSyncError({
      operation: "pairing:status",
      reason: new ConvexSyncReason.Rejected({ ...data, data })
    })
  }
  return { workerId, ownerId, secret: attempt.secret } satisfies OwnedCredentials
})

/**
 * The identity that a worker belongs to, as `issuer|subject`, for credentials that were stored without it. Needs no lease,
 * and takes none. Use it inside `withCurrent` for credentials that have two secrets.
 *
 * @category operations
 * @since 0.1.0
 */
export const owner = Effect.fn("Pairing.owner")(function* ({ secret, workerId }: WorkerCredentials) {
  const convex = yield* ConvexClient
  const { ownerId } = yield* convex.query(api.pairing.owner, { workerId, secret: Redacted.value(secret) })
  return ownerId
})

const isWrongSecret = (error: unknown) =>
  isConvexSyncError(error) && error.reason._tag === "Rejected" && error.reason.code === "WrongSecret"

/**
 * Does `use` with the secret that counts: the newer one or, where that is refused with `WrongSecret`, the one before it.
 *
 * Once `use` has acquired the lease, the other secret is of no use any more: a rotation that was cut short can not be
 * carried out late, because its epoch is over.
 *
 * @category operations
 * @since 0.1.0
 */
export const withCurrent = <A, E, R>(
  { previous, secret, workerId }: KeptCredentials,
  use: (credentials: WorkerCredentials) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  previous === undefined
    ? use({ workerId, secret })
    : Effect.catchIf(use({ workerId, secret }), isWrongSecret, () => use({ workerId, secret: previous }))

/**
 * @category models
 * @since 0.1.0
 */
export interface RotateOptions<E = never, R = never> {
  /** As of a lease. Another one than the worker's own, else a running worker would be fenced instead of left alone. */
  readonly processId: string
  /**
   * Puts the credentials away, durably, in place of what was there. It runs twice, both times under the lease: with
   * `previous` before the deployment hears of the new secret, without it when the deployment has answered.
   */
  readonly store: (credentials: KeptCredentials) => Effect.Effect<void, E, R>
}

/** What a call to rotate may fail with while it is not known which secret counts. */
const isUnsettled = (error: ConvexSyncError) => isTransient(error) || isWrongSecret(error)

const signed = ({ secret, workerId }: WorkerCredentials) => ({ workerId, secret: Redacted.value(secret) })

const replace = Effect.fnUntraced(function* <E, R>(current: WorkerCredentials, options: RotateOptions<E, R>) {
  const convex = yield* ConvexClient
  const { secret, secretHash } = yield* makeSecret
  const renewed: WorkerCredentials = { workerId: current.workerId, secret }
  const both: KeptCredentials = { ...renewed, previous: current.secret }
  const { epoch } = yield* Lease.make(
    {
      acquire: (processId) => convex.mutation(api.lease.acquire, { ...signed(current), processId }),
      heartbeat: (under, phase) =>
        withCurrent(both, (by) => convex.mutation(api.lease.heartbeat, { ...signed(by), epoch: under, phase })),
      release: (under) => withCurrent(both, (by) => convex.mutation(api.lease.release, { ...signed(by), epoch: under }))
    },
    { processId: options.processId, phase: "rotating" }
  )
  yield* options.store(both)
  // Where no answer came either secret may count, so both are tried: whichever counts, the new one does afterwards.
  const tell = (by: WorkerCredentials) => convex.mutation(api.pairing.rotate, { ...signed(by), epoch, secretHash })
  yield* tell(current).pipe(
    Effect.catchIf(isUnsettled, () => tell(renewed)),
    Effect.retry({ while: isUnsettled, times: 2 })
  )
  yield* options.store(renewed)
  return renewed
}, Effect.scoped)

/**
 * Replaces the worker's secret, and gives the new credentials; the old secret is refused from then on. It takes the lease
 * for as long as this lasts, so no worker may run: fails with `Rejected` and the code `Conflict` while one does, before
 * anything was stored.
 *
 * A call whose outcome is unknown is repeated until it is known, three times at most. Where this fails or is cut short
 * after the first `store`, either secret may count: what was stored has both, and can be used (`withCurrent`) and rotated.
 *
 * @category operations
 * @since 0.1.0
 */
export const rotate = <E, R>(
  credentials: KeptCredentials,
  options: RotateOptions<E, R>
): Effect.Effect<WorkerCredentials, ConvexSyncError | E, ConvexClient | R> =>
  withCurrent(credentials, (current) => replace(current, options)).pipe(Effect.withSpan("Pairing.rotate"))
