import { assert, describe, it } from "@effect/vitest"
import * as async from "../src/async.ts"
import * as effect from "../src/index.ts"
import * as machineAsync from "../src/machine/async.ts"
import * as machine from "../src/machine/index.ts"

const names = (module: object) => Object.keys(module).toSorted()
const errors = ["MachineError", "MachineReason", "isMachineError"]

describe("exports", () => {
  it("of the lifecycle", () => {
    const own = ["WorkerEvent", "WorkerLifecycle", "WorkerMachine", "WorkerState", "exitCodes"]
    assert.sameMembers(names(effect), [...errors, ...own])
  })

  it("of the lifecycle for async code", () => {
    assert.sameMembers(names(async), [...errors, "createWorkerLifecycle", "exitCodes"])
    assert.strictEqual(async.MachineError, effect.MachineError)
  })

  it("of the machine kit", () => {
    assert.sameMembers(names(machine), [...errors, "Actor", "Machine"])
    assert.deepStrictEqual(names(machine.Actor), ["asActivity", "start"])
    assert.deepStrictEqual(names(machine.Machine), [
      "allowed",
      "isFinal",
      "make",
      "rules",
      "toMermaid",
      "transition",
      "type"
    ])
    assert.deepStrictEqual(names(machine.MachineReason), ["Closed", "Ended", "InvalidOption", "InvalidTransition"])
  })

  it("of the machine kit for async code", () => {
    assert.sameMembers(names(machineAsync), [...errors, "Machine", "createActor"])
  })
})
