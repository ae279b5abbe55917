import { assert, describe, it } from "@effect/vitest"
import * as async from "../src/async.ts"
import * as effect from "../src/index.ts"

const names = (module: object) => Object.keys(module).toSorted()

describe("exports", () => {
  it("of the Effect entry", () => {
    assert.deepStrictEqual(names(effect), [
      "HostError",
      "HostErrorReason",
      "OpenCodeHost",
      "OwnOpenCode",
      "answeredBy",
      "ascendingId",
      "changesOf",
      "childSessionId",
      "classifyTurn",
      "compacted",
      "contextTokens",
      "endNotices",
      "failureOf",
      "fingerprintProject",
      "inspectProject",
      "isAnsweredAfter",
      "isAsking",
      "isAssistant",
      "isHostError",
      "listProcesses",
      "promptText",
      "recordedTurn",
      "recordedTurns",
      "takenOver",
      "turnOf",
      "turnsOf",
      "turnsOfPage",
      "usageOf",
      "usageWithAgents",
      "visibleParts",
      "withTakenOver",
      "withoutLoopback"
    ])
  })

  it("of the async entry", () => {
    assert.deepStrictEqual(names(async), ["HostError", "HostErrorReason", "createOpenCodeHost", "isHostError"])
    assert.strictEqual(async.HostError, effect.HostError)
  })

  it("of the reasons", () => {
    assert.deepStrictEqual(names(effect.HostErrorReason), [
      "BinaryNotFound",
      "BinaryUnusable",
      "Busy",
      "Closed",
      "CommandRefused",
      "DirectoryInUse",
      "DirectoryNotFound",
      "GaveUp",
      "InvalidOption",
      "NotFound",
      "ProjectChanged",
      "ProjectUnusable",
      "Protocol",
      "StartFailed",
      "TemporaryDirectoryUnusable",
      "Timeout",
      "Unauthorized",
      "Unavailable",
      "Unsupported",
      "UnsupportedVersion"
    ])
  })
})
