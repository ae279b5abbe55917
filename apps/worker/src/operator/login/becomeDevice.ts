/** Makes this machine a device of a deployment, with a key that stays in the folder of its context. */
import { claimDevice, isClientError } from "@opencode-worker/client/http"
import { Effect } from "effect"
import { refusal, temporaryError } from "../../AppError.ts"
import * as Contexts from "../../state/Contexts.ts"
import { operatorKey } from "../../state/OperatorKey.ts"

/** `code`: of `devices add`. Saves the context under `name`. */
export const becomeDevice = Effect.fnUntraced(function* (options: {
  readonly url: string
  readonly code: string
  readonly name: string
}) {
  const { code, name, url } = options
  // Stored before the claim: the same key can claim again if the response is lost.
  const key = yield* operatorKey(yield* Contexts.prepare(name))
  const device = yield* Effect.tryPromise({
    try: () => claimDevice({ url, code, key }),
    catch: (error) =>
      isClientError(error) && error.reason._tag === "Rejected"
        ? refusal(error.reason.code, error.reason.message)
        : temporaryError(error instanceof Error ? error.message : String(error))
  })
  yield* key.save(device.deviceId)
  yield* Contexts.save(name, url)
  return device
})
