import { setTimeout as sleep } from "node:timers/promises"
import { createWorkerLifecycle } from "@opencode-worker/worker-fsm/async"

await using lifecycle = await createWorkerLifecycle({
  activities: {
    Registering: async () => ({ _tag: "Registered", approved: true }),
    Connecting: async (_, { signal }) => {
      await sleep(10, undefined, { signal })
      return { _tag: "Connected" }
    },
    Draining: () => console.log("waiting for running turns"),
    Stopping: () => console.log("releasing resources")
  }
})

await lifecycle.send({ _tag: "Start" })
await lifecycle.awaitState("Ready")
await lifecycle.send({ _tag: "Stop" }, { cause: "SIGTERM" })
for await (const state of lifecycle.changes()) console.log(state._tag)
const { reason, exitCode } = await lifecycle.stopped()
console.log(`${reason}: exit code ${exitCode}`)
