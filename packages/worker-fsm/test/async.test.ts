import { assert, describe, it } from "@effect/vitest"
import { createWorkerLifecycle, MachineError } from "../src/async.ts"

describe("createWorkerLifecycle", () => {
  it("stops with an exit code", async () => {
    await using lifecycle = await createWorkerLifecycle({
      activities: { Registering: () => ({ _tag: "Revoked", detail: "not on this machine" }), Stopping: () => undefined }
    })
    await lifecycle.send({ _tag: "Start" })
    assert.deepInclude(await lifecycle.stopped(), { exitCode: 77, detail: "not on this machine" })
  })

  it.each<[string, unknown]>([
    ["options", 1],
    ["activities.Redy", { activities: { Redy: () => undefined } }],
    ["recoveryDelay", { recoveryDelay: "soon" }],
    ["maxRecoveries", { maxRecoveries: "3" }],
    ["healthyAfter", { healthyAfter: true }],
    ["closeTimeOut", { closeTimeOut: 1000 }]
  ])("rejects with InvalidOption, which names %s, for %o", async (option, options) => {
    const made: Promise<unknown> = Reflect.apply(createWorkerLifecycle, undefined, [options])
    const error = await made.catch((reason: unknown) => reason)
    assert.instanceOf(error, MachineError)
    assert.strictEqual(error.reason._tag, "InvalidOption")
    assert.include(error.message, option.replace(/[.].*/, ""))
  })
})
