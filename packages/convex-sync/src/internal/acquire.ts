/** Acquires a lease with the protocol version that this package was built for. */
import { PROTOCOL } from "@opencode-worker/convex-backend/functions/protocol"
import type { ConvexClient } from "@opencode-worker/effect-convex"
import * as Effect from "effect/Effect"
import { api, type WorkerCredentials } from "../Backend.ts"
import { ConvexSyncError, ConvexSyncReason } from "../ConvexSyncError.ts"

type Signed = { readonly workerId: WorkerCredentials["workerId"]; readonly secret: string }

/** Fails with `Rejected` and the code `Incompatible` if the deployment cannot serve this version. */
export const acquireLease = (convex: ConvexClient["Service"], signed: Signed, processId: string) =>
  Effect.flatMap(
    convex.mutation(api.lease.acquire, { ...signed, processId, protocol: PROTOCOL }),
    ({ refused, ...term }) =>
      refused === null
        ? Effect.succeed(term)
        : Effect.fail(
            new ConvexSyncError({
              operation: "lease:acquire",
              reason: new ConvexSyncReason.Rejected({ ...refused, data: refused })
            })
          )
  )
