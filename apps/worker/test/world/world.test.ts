/** A worker, the real OpenCode and an operator, in one process: the tests that need no world of their own. */
import { layer } from "@effect/vitest"
import { worldWith } from "../support/world.ts"
import { abortTests } from "./abort.ts"
import { agentConformanceTests } from "./agentConformance.ts"
import { catalogTests, catalogued } from "./catalog.ts"
import { changesInOpenCodeTests } from "./changesInOpenCode.ts"
import { chosenTests } from "./chosen.ts"
import { clientReadmeTests } from "./clientReadme.ts"
import { commandsTests } from "./commands.ts"
import { deletionTests } from "./deletion.ts"
import { filesTests } from "./files.ts"
import { historyTests } from "./history.ts"
import { operatorsTests } from "./operators.ts"
import { promptsTests } from "./prompts.ts"
import { requestsTests } from "./requests.ts"
import { restartsTests } from "./restarts.ts"
import { unfinishedTests } from "./unfinished.ts"

const subjects = [
  promptsTests,
  filesTests,
  chosenTests,
  catalogTests,
  requestsTests,
  abortTests,
  deletionTests,
  historyTests,
  changesInOpenCodeTests,
  commandsTests,
  unfinishedTests,
  operatorsTests,
  clientReadmeTests,
  agentConformanceTests,
  restartsTests
]

layer(worldWith({}, false, catalogued), { excludeTestServices: true, timeout: 120_000 })("a world", (it) => {
  for (const tests of subjects) tests(it)
})
