/**
 * A lease whose calls outlast an absence of the deployment. Every function of a worker may be sent twice, so a call whose
 * outcome is unknown is repeated until it is known; what is lost for good, or refused, fails as before.
 *
 * @since 0.1.0
 */
import {
  type ConvexClient,
  type ConvexSyncError,
  isTransient,
  Lease,
  type LeaseOptions,
  type WorkerCredentials
} from "@opencode-worker/convex-sync"
import { Effect, Layer, Schedule } from "effect"

const whileAway = { while: isTransient, schedule: Schedule.spaced("1 second") } as const

export const patientLease = (
  credentials: WorkerCredentials,
  options: LeaseOptions
): Layer.Layer<Lease, ConvexSyncError, ConvexClient> =>
  Layer.effect(
    Lease,
    Effect.map(Lease, (lease) =>
      Lease.of({
        ...lease,
        query: (query, args) => Effect.retry(lease.query(query, args), whileAway),
        mutation: (mutation, args) => Effect.retry(lease.mutation(mutation, args), whileAway)
      })
    )
  ).pipe(Layer.provide(Lease.layer(credentials, options)))
