/** Exit codes decide whether a service manager restarts the worker. Wrong ones were reported as restart loops and as outages. */
import { assert, describe, it } from "@effect/vitest"
import { ConvexSyncError } from "@opencode-worker/convex-sync"
import { ConvexClientReason } from "@opencode-worker/effect-convex"
import { ModelCacheError, ModelCacheReason } from "@opencode-worker/model-cache"
import { HostError, HostErrorReason } from "@opencode-worker/opencode-host"
import { exitCodes, toAppError } from "../src/AppError.ts"

const refused = (code: string) =>
  new ConvexSyncError({
    operation: "turns:send",
    reason: new ConvexClientReason.Rejected({ code, message: "text has 0 characters; it takes 1 to 200000", data: {} })
  })

const failures = [
  // A mistake in the settings is not repeated: openclaw/openclaw#63913, actions/runner#1663.
  [
    "an unsupported OpenCode",
    new HostError({
      reason: new HostErrorReason.UnsupportedVersion({ version: "1.17.9", supported: "1.18.x", missing: [] })
    }),
    exitCodes.Configuration
  ],
  [
    "a server that refuses the password",
    new HostError({
      reason: new HostErrorReason.Unauthorized({
        operation: "health",
        url: "http://127.0.0.1:4096",
        username: "opencode"
      })
    }),
    exitCodes.Configuration
  ],
  // A model that does not exist: anomalyco/opencode#15558 ended with 0.
  [
    "an unknown model",
    new ModelCacheError({ reason: new ModelCacheReason.UnknownModel({ id: "a/b", suggestions: [], known: 2 }) }),
    exitCodes.Configuration
  ],
  // Distinct codes for permissions, configuration and temporary failures: jclark/satpulse#171.
  ["a token that is refused", refused("Unauthenticated"), exitCodes.NotAuthorised],
  ["a worker that was revoked", refused("Revoked"), exitCodes.NotAuthorised],
  ["a prompt that is refused", refused("InvalidArgument"), exitCodes.Usage],
  ["a refusal of another version", refused("SomethingNew"), exitCodes.Usage],
  ["a rate limit", refused("RateLimited"), exitCodes.Temporary],
  [
    "no connection",
    new ConvexSyncError({ operation: "turns:send", reason: new ConvexClientReason.Unreachable({ millis: 30_000 }) }),
    exitCodes.Temporary
  ],
  // Hal0ai/hal0#2037: distinct codes for a start that may succeed later and one that never does.
  [
    "a start that failed once",
    new HostError({ reason: new HostErrorReason.StartFailed({ problem: "no port is free", output: [] }) }),
    exitCodes.Temporary
  ]
] as const

describe("the exit code of a failure", () => {
  it.each(failures)("%s", (_, failure, exitCode) => {
    const explained = toAppError(failure)
    assert.strictEqual(explained.exitCode, exitCode)
    assert.notInclude(explained.message, "turns:send")
    assert.match(explained.message, /[.?]$|It wrote nothing\.$/)
  })
})
