import { PROTOCOL } from "@opencode-worker/convex-backend/functions/protocol"
import type { ConvexClient } from "@opencode-worker/effect-convex"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { isLoss } from "../src/index.ts"
import { acquireLease } from "../src/internal/acquire.ts"

const message =
  "The worker's protocol 1.0 is older than the deployment's 1.2: update opencode-worker on the worker's machine"

it.effect("a lease that is refused for the worker's release fails with Incompatible and the advice", () =>
  Effect.gen(function* () {
    const sent: Array<unknown> = []
    const refused = { epoch: -1, leaseExpiresAt: 0, serverTime: 0, refused: { code: "Incompatible", message } }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only `mutation` is called
    const convex = {
      mutation: (_: unknown, args: unknown) => Effect.sync(() => (sent.push(args), refused))
    } as unknown as ConvexClient["Service"]
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an id of no deployment
    const workerId = "w" as never
    const error = yield* Effect.flip(acquireLease(convex, { workerId, secret: "s" }, "p"))
    assert.deepInclude(error.reason, { _tag: "Rejected", code: "Incompatible", message })
    assert.isTrue(isLoss(error))
    assert.deepStrictEqual(sent, [{ workerId, secret: "s", processId: "p", protocol: PROTOCOL }])
  })
)
