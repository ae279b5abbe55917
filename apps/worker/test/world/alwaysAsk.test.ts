/** A world in which OpenCode asks for each edit and command. */
import { layer } from "@effect/vitest"
import { worldWith } from "../support/world.ts"
import { approverTests } from "./approver.ts"
import { attachTests } from "./attach.ts"
import { modelsTests } from "./models.ts"
import { numberOfRequestsTests } from "./numberOfRequests.ts"

layer(worldWith({ alwaysAsk: true }), { excludeTestServices: true, timeout: 120_000 })("a world that asks", (it) => {
  for (const tests of [approverTests, numberOfRequestsTests, modelsTests, attachTests]) tests(it)
})
