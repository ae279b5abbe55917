/** The tests of turns that one configuration fits, on one boot of OpenCode and its restarts. */
import { layer } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { layerHost } from "../support.ts"
import { compactionTests } from "./compaction.ts"
import { deliveryTests } from "./delivery.ts"
import { faultsTests } from "./faults.ts"
import { liveToolsTests } from "./liveTools.ts"
import { requestsTests } from "./requests.ts"
import { steerTests } from "./steer.ts"
import { turnsTests } from "./turns.ts"

const host = layerHost(() => Reply.text("ok"), {
  permission: { edit: "ask", bash: { "*": "allow", "printf *": "ask" }, webfetch: "ask" },
  config: {
    subagent_depth: 2,
    agent: { general: { permission: { question: "allow", task: "allow" } } },
    command: {
      ls: { template: "bash ls $ARGUMENTS" },
      slowly: { template: "slow !`until [ -e gate ]; do sleep 0.05; done`$ARGUMENTS" },
      delegated: { template: "bash echo $1", subtask: true, agent: "general" },
      misnamed: { template: "hello", agent: "nobody" },
      sub: { template: "look at $ARGUMENTS", agent: "general", subtask: true }
    }
  },
  // Tests kill the server.
  restart: { limit: 100 }
})

layer(host, { timeout: "120 seconds", excludeTestServices: true })("a host", (it) => {
  for (const tests of [
    compactionTests,
    requestsTests,
    steerTests,
    liveToolsTests,
    turnsTests,
    deliveryTests,
    faultsTests
  ]) {
    tests(it)
  }
})
