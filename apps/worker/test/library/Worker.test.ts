import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createConvexClient } from "@opencode-worker/effect-convex/async"
import { api } from "@opencode-worker/convex-sync"
import { openCodeProgram, startDeployment, startProcess } from "@opencode-worker/harness"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
import { assert, describe, it } from "@effect/vitest"

const isFinal = (status: string) => status !== "queued" && status !== "claimed" && status !== "running"

const file = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8")

/** The examples import the built package by its name, as a user does. */
describe("the published library", () => {
  it("shows examples/async.ts in its README", () => {
    assert.include(file("README.md"), file("examples/async.ts"))
  })

  it.each(["async.ts", "effect.ts"])(
    "examples/%s pairs, answers a prompt and stops",
    { timeout: 180_000 },
    async (name) => {
      await using provider = await scriptedProvider(({ lastUserText }) => Reply.text(`You wrote: ${lastUserText}`))
      await using home = await openCodeHome({ config: { ...provider.config, snapshot: false } })
      await using deployment = await startDeployment(join(home.root, "deployment"))
      await using operator = createConvexClient({ url: deployment.url, auth: deployment.token })
      await using example = startProcess({
        program: process.execPath,
        args: [join(import.meta.dirname, "../../examples", name)],
        cwd: home.directory,
        environment: { ...home.environment, CONVEX_URL: deployment.url, OPENCODE_BIN: openCodeProgram }
      })
      const [, code = ""] = await example.prints(/^Pairing code: (\S+)/m)
      const workerId = await operator.action(api.pairing.approve, { code })
      await example.prints(/^Ready/m)

      const sessionId = await operator.mutation(api.sessions.create, { workerId, idempotencyKey: "session" })
      const turnId = await operator.mutation(api.turns.send, { sessionId, text: "Hello", idempotencyKey: "turn" })
      for await (const { status } of operator.subscribe(api.turns.live, { turnId, after: 0 })) {
        if (!isFinal(status)) continue
        assert.strictEqual(status, "completed")
        break
      }
      example.kill("SIGTERM")
      assert.strictEqual((await example.ended).code, 0, example.stderr())
      if (name === "async.ts") assert.notMatch(example.stdout() + example.stderr(), /INFO|Turn started/)
    }
  )
})
