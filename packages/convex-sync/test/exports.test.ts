import { assert, it } from "vitest"
import * as entry from "../src/index.ts"
import * as testing from "../src/testing/index.ts"

it("the entries export these names", () => {
  assert.deepStrictEqual(Object.keys(entry).toSorted(), [
    "Agent",
    "AgentError",
    "AgentReason",
    "CatalogPublisher",
    "CommandFailed",
    "Commands",
    "ConvexSyncError",
    "ConvexSyncReason",
    "DeltaBuffer",
    "DeltaWriter",
    "History",
    "HistoryTurns",
    "Lease",
    "ModelPublisher",
    "Pairing",
    "QueryAnswers",
    "Recovery",
    "SessionMerge",
    "SessionSync",
    "TurnResult",
    "TurnScheduler",
    "api",
    "commandStore",
    "deltaStore",
    "fileStore",
    "isAgentError",
    "isConvexSyncError",
    "isLoss",
    "isTransient",
    "requestStore",
    "turnStore"
  ])
  assert.deepStrictEqual(Object.keys(testing).toSorted(), ["ScriptedAgent", "agentConformance"])
})
