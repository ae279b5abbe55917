import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createConvexClient } from "@opencode-worker/effect-convex/async"
import { api } from "@opencode-worker/convex-sync"
import { openCodeProgram, type Running, startDeployment, startProcess } from "@opencode-worker/harness"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { idleOpenCode } from "../support/command.ts"

const isFinal = (status: string) => status !== "queued" && status !== "claimed" && status !== "running"

const file = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8")

const stop = async (example: Running) => {
  example.kill("SIGTERM")
  assert.strictEqual((await example.ended).code, 0, example.stderr())
}

/** The examples import the built package by its name, as a user does. */
describe("the published library", () => {
  it("shows examples/async.ts in its README", () => {
    assert.include(file("README.md"), file("examples/async.ts"))
  })

  it("examples/async.ts and examples/effect.ts pair, answer a prompt and stop", { timeout: 180_000 }, async () => {
    await using provider = await scriptedProvider(({ lastUserText }) => Reply.text(`You wrote: ${lastUserText}`))
    await using first = await openCodeHome({ config: { ...provider.config, snapshot: false } })
    await using deployment = await startDeployment(join(first.root, "deployment"))
    await using operator = createConvexClient({ url: deployment.url, auth: deployment.token })
    await using started = new AsyncDisposableStack()
    const pair = async (name: string, home: typeof first, program: string) => {
      const example = started.use(
        startProcess({
          program: process.execPath,
          args: [join(import.meta.dirname, "../../examples", name)],
          cwd: home.directory,
          environment: { ...home.environment, CONVEX_URL: deployment.url, OPENCODE_BIN: program }
        })
      )
      const [, code = ""] = await example.prints(/^Pairing code: (\S+)/m)
      const workerId = await operator.action(api.pairing.approve, { code })
      await example.prints(/^Ready/m)
      return { example, workerId }
    }
    const answer = async (workerId: Awaited<ReturnType<typeof pair>>["workerId"]) => {
      const sessionId = await operator.mutation(api.sessions.create, {
        workerId,
        idempotencyKey: `session-${workerId}`
      })
      const turnId = await operator.mutation(api.turns.send, {
        sessionId,
        text: "Hello",
        idempotencyKey: `turn-${workerId}`
      })
      for await (const { status } of operator.subscribe(api.turns.live, { turnId, after: 0 })) {
        if (!isFinal(status)) continue
        assert.strictEqual(status, "completed")
        break
      }
    }

    const promises = await pair("async.ts", first, openCodeProgram)
    await answer(promises.workerId)
    await stop(promises.example)
    assert.notMatch(promises.example.stdout() + promises.example.stderr(), /INFO|Turn started/)

    // `pnpm test:full` starts another OpenCode, which answers.
    const isFull = process.env["TEST_FULL"] !== undefined
    await using second = await openCodeHome({ config: { ...provider.config, snapshot: false } })
    const program = isFull ? openCodeProgram : await Effect.runPromise(idleOpenCode(second.root))
    const effect = await pair("effect.ts", second, program)
    if (isFull) await answer(effect.workerId)
    await stop(effect.example)
  })
})
