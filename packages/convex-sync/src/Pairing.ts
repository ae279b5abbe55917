/**
 * A worker obtains credentials: it creates a secret, shows a code, and waits until an operator has approved the code. Later
 * it can replace the secret.
 *
 * The deployment stores and receives only the SHA-256 of a secret.
 */
import { ConvexClient } from "@opencode-worker/effect-convex"
import type { Id } from "@opencode-worker/convex-backend/api"
import { PROTOCOL } from "@opencode-worker/convex-backend/functions/protocol"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { api, type WorkerCredentials } from "./Backend.ts"
import { ConvexSyncError, ConvexSyncReason, isConvexSyncError, isTransient } from "./ConvexSyncError.ts"
import { acquireLease } from "./internal/acquire.ts"
import { pairingName } from "./internal/pairingName.ts"
import { Lease } from "./Lease.ts"

export interface PairingAttempt {
  readonly pairingId: Id<"pairings">
  /** For an operator to type: `XXXX-XXXX`. */
  readonly code: string
  /** Milliseconds of the deployment's clock, 10 minutes after the start. */
  readonly expiresAt: number
  readonly secret: Redacted.Redacted
}

/**
 * Credentials as they are stored on a disk. During a rotation they have both secrets, of which one is valid: use them with
 * `withValidSecret`.
 */
export interface StoredCredentials extends WorkerCredentials {
  readonly previous?: Redacted.Redacted
}

/** Credentials of an approved worker, and the identity that it belongs to: `issuer|subject`, which never changes. */
export interface OwnedCredentials extends WorkerCredentials {
  readonly ownerId: string
}

/** Too many to guess, so that a plain hash does not disclose the secret. */
const secretBytes = 32

const makeSecret = Effect.gen(function* () {
  const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(secretBytes))).toString("base64url")
  const hash = yield* Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret)))
  return { secret: Redacted.make(secret, { label: "worker secret" }), secretHash: Buffer.from(hash).toString("hex") }
})

/**
 * Starts a pairing for a worker in `directory` on `machine`, both as people call them. A name longer than 100 bytes is cut,
 * and … marks where: a machine keeps its beginning, a directory its end. `permissions`: the permission mode, which the operator
 * sees before the approval.
 */
export const begin = Effect.fn("Pairing.begin")(function* (worker: {
  readonly machine: string
  readonly directory: string
  readonly permissions?: string
}) {
  const convex = yield* ConvexClient
  const { secret, secretHash } = yield* makeSecret
  const { pairingId, code, expiresAt } = yield* convex.mutation(api.pairing.begin, {
    machine: pairingName(worker.machine, "head"),
    directory: pairingName(worker.directory, "tail"),
    ...(worker.permissions !== undefined && { permissions: pairingName(worker.permissions, "head") }),
    secretHash,
    protocol: PROTOCOL
  })
  return { pairingId, code, expiresAt, secret } satisfies PairingAttempt
})

/**
 * Waits, without polling, until an operator approves the attempt. Compare the `ownerId` before you run turns: another
 * operator may have approved the code. Fails with `Rejected` and the code `Expired` after 10 minutes: begin again.
 */
export const approved = Effect.fn("Pairing.approved")(function* (attempt: PairingAttempt) {
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
 * The identity that a worker belongs to, as `issuer|subject`, for credentials that were stored without it. Does not acquire
 * a lease. Use it inside `withValidSecret` for credentials that have two secrets.
 */
export const owner = Effect.fn("Pairing.owner")(function* ({ secret, workerId }: WorkerCredentials) {
  const convex = yield* ConvexClient
  const { ownerId } = yield* convex.query(api.pairing.owner, { workerId, secret: Redacted.value(secret) })
  return ownerId
})

const isWrongSecret = (error: unknown) =>
  isConvexSyncError(error) && error.reason._tag === "Rejected" && error.reason.code === "WrongSecret"

/**
 * Runs `use` with the valid secret: the newer one or, if that is refused with `WrongSecret`, the one before it.
 *
 * After `use` has acquired the lease, the other secret can no longer become valid: a rotation that was cut short belongs to an
 * earlier epoch.
 */
export const withValidSecret = <A, E, R>(
  { previous, secret, workerId }: StoredCredentials,
  use: (credentials: WorkerCredentials) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  previous === undefined
    ? use({ workerId, secret })
    : Effect.catchIf(use({ workerId, secret }), isWrongSecret, () => use({ workerId, secret: previous }))

export interface RotateOptions<E = never, R = never> {
  /** Must differ from the id of the worker's process, or a running worker would be fenced. */
  readonly processId: string
  /**
   * Replaces the stored credentials, durably. It runs twice, both times under the lease: with `previous` before the new secret
   * is sent, and without it after the deployment has responded.
   */
  readonly store: (credentials: StoredCredentials) => Effect.Effect<void, E, R>
}

/** Failures of a rotation after which either secret may be valid. */
const isUnknown = (error: ConvexSyncError) => isTransient(error) || isWrongSecret(error)

const signed = ({ secret, workerId }: WorkerCredentials) => ({ workerId, secret: Redacted.value(secret) })

const replace = Effect.fnUntraced(function* <E, R>(current: WorkerCredentials, options: RotateOptions<E, R>) {
  const convex = yield* ConvexClient
  const { secret, secretHash } = yield* makeSecret
  const renewed: WorkerCredentials = { workerId: current.workerId, secret }
  const both: StoredCredentials = { ...renewed, previous: current.secret }
  const { epoch } = yield* Lease.make(
    {
      acquire: (processId) => acquireLease(convex, signed(current), processId),
      heartbeat: (under, phase) =>
        withValidSecret(both, (by) => convex.mutation(api.lease.heartbeat, { ...signed(by), epoch: under, phase })),
      release: (under) =>
        withValidSecret(both, (by) => convex.mutation(api.lease.release, { ...signed(by), epoch: under }))
    },
    { processId: options.processId, phase: "rotating" }
  )
  yield* options.store(both)
  // Without a response either secret may be valid, so both are tried: afterwards the new one is valid.
  const rotateBy = (by: WorkerCredentials) => convex.mutation(api.pairing.rotate, { ...signed(by), epoch, secretHash })
  yield* rotateBy(current).pipe(
    Effect.catchIf(isUnknown, () => rotateBy(renewed)),
    Effect.retry({ while: isUnknown, times: 2 })
  )
  yield* options.store(renewed)
  return renewed
}, Effect.scoped)

/**
 * Replaces the worker's secret, and returns the new credentials; the old secret is refused from then on. It holds the lease
 * meanwhile, so the worker must not run: otherwise it fails with `Rejected` and the code `Conflict`, before anything is
 * stored.
 *
 * A call whose outcome is unknown is repeated, three times at most. If it fails or is cut short after the first `store`,
 * either secret may be valid: the stored credentials have both, and can be used (`withValidSecret`) and rotated.
 */
export const rotate = <E, R>(
  credentials: StoredCredentials,
  options: RotateOptions<E, R>
): Effect.Effect<WorkerCredentials, ConvexSyncError | E, ConvexClient | R> =>
  withValidSecret(credentials, (current) => replace(current, options)).pipe(Effect.withSpan("Pairing.rotate"))
