/**
 * 50 operators drive one worker for `SOAK_MINUTES` (default 10): the processes reach a plateau of memory, and the metrics of
 * the worker equal what the operators counted. Part of `pnpm run soak`.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { NodeServices } from "@effect/platform-node"
import { type Client, createClient, type SessionId, type WorkerId } from "@opencode-worker/client"
import { startDeployment, until } from "@opencode-worker/harness"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { Config, Console, Effect, Layer } from "effect"
import { assert, it } from "@effect/vitest"
import * as command from "./support/command.ts"

const operators = 50
/** Milliseconds between the prompts of an operator, at least and at most. */
const pause = [10_000, 40_000] as const

const script: Script = ({ lastUserText, toolResults }) => {
  if (lastUserText.startsWith("stop")) return Reply.sequence([Reply.text("so far"), Reply.hang])
  if (lastUserText.startsWith("rm") && toolResults.length === 0) {
    return Reply.toolCall("bash", { command: "rm -f nothing", description: "the prompt" })
  }
  return Reply.text(`answer to ${lastUserText} `.repeat(20))
}

const world = Layer.unwrap(
  Effect.gen(function* () {
    const { config } = yield* ScriptedProvider
    const permission = { bash: { "rm *": "ask" } }
    return Layer.effect(OpenCodeHome, OpenCodeHome.make({ config: { ...config, snapshot: false, permission } }))
  })
).pipe(Layer.provideMerge(Layer.merge(ScriptedProvider.layer(script), NodeServices.layer)))

/** What the operators saw. */
interface Counted {
  completed: number
  aborted: number
  answered: number
}

/** Sends prompts until `isOver`, in one session: mostly plain ones, some with a permission, some that are stopped. */
const operate = async (
  client: Client,
  workerId: WorkerId,
  counted: Counted,
  isOver: () => boolean,
  over: AbortSignal
): Promise<void> => {
  const sessionId: SessionId = await client.sessions.create(workerId)
  for (let round = 0; !isOver(); round++) {
    const kind = ["say", "say", "rm", "say", "stop"][round % 5] ?? "say"
    const turn = client.prompt(sessionId, `${kind} ${round}`)
    let isDone = false
    for await (const { blocks } of turn) {
      const [request] = blocks.flatMap((block) => (block.kind === "request" ? [block.request] : []))
      if (request !== undefined && !isDone) {
        isDone = true
        await client.requests.answer(request, { type: "once" })
        counted.answered += 1
      }
      if (kind === "stop" && !isDone && blocks.some((block) => block.kind === "text")) {
        isDone = true
        await client.turns.abort(await turn.turnId)
      }
    }
    const { end } = await turn.result
    assert.strictEqual(end.outcome, kind === "stop" ? "aborted" : "completed", `${kind}: ${end.error?.message}`)
    counted[end.outcome === "aborted" ? "aborted" : "completed"] += 1
    await sleep(pause[0] + Math.random() * (pause[1] - pause[0]), undefined, { signal: over }).catch(() => undefined)
  }
}

/** Follows until its signal aborts. */
const untilAborted = async (updates: AsyncIterable<unknown>): Promise<void> => {
  try {
    for await (const _ of updates);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error
  }
}

/** Resident megabytes of a process. */
const resident = async (pid: number): Promise<number> =>
  Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024)

/** Used megabytes of this process, with the operators and the model, after a collection. */
const ownHeap = (): number => {
  globalThis.gc?.()
  return Math.round(process.memoryUsage().heapUsed / 2 ** 20)
}

const metricsOf = async (health: string) => (await fetch(`${health}/metrics`)).text()

const metric = (text: string, name: string, label = ""): number =>
  text
    .split("\n")
    .filter((line) => line.startsWith(`opencode_worker_${name}{`) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0)

it.live(
  "50 operators: memory stays on a plateau, and the metrics equal what they counted",
  () =>
    Effect.gen(function* () {
      const minutes = yield* Config.Number("SOAK_MINUTES").pipe(Config.withDefault(10))
      const { directory, environment, root } = yield* OpenCodeHome
      const deployment = yield* Effect.acquireRelease(
        Effect.promise(() => startDeployment(join(root, "deployment"), { OPENCODE_WORKER_QUOTA: "0" })),
        (served) => Effect.promise(() => served.kill())
      )
      const flags = ["--permissions", "inherit", "--print-pairing-code", "--health-listen", "127.0.0.1:0"]
      const where = ["--url", deployment.url, "--directory", directory]
      const worker = yield* command.start({ root, environment }, "start", ...where, ...flags)
      const [, health = ""] = yield* Effect.promise(() => worker.prints(/^health +(http\S+)/m))
      const [, code = ""] = yield* Effect.promise(() => worker.prints(/^Pairing code +(\S+)/m))

      yield* Effect.promise(async () => {
        await using stack = new AsyncDisposableStack()
        const clients = Array.from({ length: operators }, () =>
          stack.use(createClient({ url: deployment.url, auth: deployment.token }))
        )
        const [first] = clients
        assert.isDefined(first)
        await first.workers.approve(code)
        await worker.prints(/^Ready/m)
        const workerId = (await first.workers.list())[0]?.workerId
        assert.isDefined(workerId)

        const counted: Counted = { completed: 0, aborted: 0, answered: 0 }
        const over = new AbortController()
        const isOver = () => over.signal.aborted
        // Each operator also follows the workers and the inbox, as a page does.
        const { signal } = over
        const followed = clients.flatMap((client) => [
          untilAborted(client.inbox.watch({ signal })),
          untilAborted(client.workers.watch({ signal }))
        ])
        const running = Promise.all(clients.map((client) => operate(client, workerId, counted, isOver, over.signal)))
        const samples: Array<Readonly<Record<"worker" | "deployment" | "operators", number>>> = []
        for (let minute = 1; minute <= minutes; minute++) {
          await Promise.race([sleep(60_000), running])
          const sample = {
            worker: await resident(worker.pid),
            deployment: await resident(deployment.pid()),
            operators: ownHeap()
          }
          samples.push(sample)
          const turns = counted.completed + counted.aborted
          await Effect.runPromise(Console.log(`minute ${minute}: ${turns} turns, MB ${JSON.stringify(sample)}`))
        }
        over.abort()
        await running
        await Promise.all(followed)

        // The count follows the end of the last turn.
        await until(async () => metric(await metricsOf(health), "turns_running") === 0, "the end of the last turn")
        const text = await metricsOf(health)
        const shown = {
          completed: metric(text, "turns_total", 'outcome="completed"'),
          aborted: metric(text, "turns_total", 'outcome="aborted"'),
          answered: metric(text, "requests_total", 'outcome="answered"')
        }
        await Effect.runPromise(Console.log(`counted ${JSON.stringify(counted)}, metrics ${JSON.stringify(shown)}`))
        assert.deepStrictEqual(shown, counted)
        assert.strictEqual(metric(text, "turns_total"), counted.completed + counted.aborted)
        assert.strictEqual(metric(text, "turn_claim_seconds_count"), counted.completed + counted.aborted)
        assert.strictEqual(metric(text, "opencode_sessions_opened_total", 'how="created"'), operators)
        assert.strictEqual(metric(text, "requests_open"), 0)

        // The first third warms the processes up.
        const settled = samples.slice(Math.ceil(samples.length / 3))
        for (const name of ["worker", "deployment", "operators"] as const) {
          const before = settled[0]?.[name] ?? 0
          const after = settled.at(-1)?.[name] ?? 0
          assert.isAtMost(after, before * 1.25 + 30, `${name}: ${JSON.stringify(samples)}`)
        }
      })
    }).pipe(Effect.scoped, Effect.provide(world)),
  3_600_000
)
