/**
 * 50 operators drive one worker for `SOAK_MINUTES` (default 10): the processes reach a plateau of memory, and the metrics of
 * the worker equal what the operators counted. Part of `pnpm run soak`.
 */
import { setTimeout as sleep } from "node:timers/promises"
import type { Client, SessionId, WorkerId } from "@opencode-worker/client"
import { until } from "@opencode-worker/harness"
import { Reply, type Script } from "@opencode-worker/testkit"
import { Console, Effect } from "effect"
import { assert, it } from "@effect/vitest"
import { assertPlateau, newest, processSizes, type Sample } from "./support/soak/plateau.ts"
import { approve, connect, minutesOfSoak, pause, soakDeployment, soakWorker, soakWorld } from "./support/soak/world.ts"

const operators = 50

const script: Script = ({ lastUserText, toolResults }) => {
  if (lastUserText.startsWith("stop")) return Reply.sequence([Reply.text("so far"), Reply.hang])
  if (lastUserText.startsWith("rm") && toolResults.length === 0) {
    return Reply.toolCall("bash", { command: "rm -f nothing", description: "the prompt" })
  }
  return Reply.text(`answer to ${lastUserText} `.repeat(20))
}

const world = soakWorld(script)

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
    await pause(over)
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
      const minutes = yield* minutesOfSoak
      const deployment = yield* soakDeployment()
      const worker = yield* soakWorker(deployment)
      const [, health = ""] = yield* Effect.promise(() => worker.prints(/^health +(http\S+)/m))

      yield* Effect.promise(async () => {
        await using stack = new AsyncDisposableStack()
        const clients = connect(stack, deployment, operators)
        const [first] = clients
        assert.isDefined(first)
        const workerId = await approve(first, worker)

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
        const samples: Array<Sample> = []
        for (let minute = 1; minute <= minutes; minute++) {
          await Promise.race([sleep(60_000), running])
          samples.push({
            turns: counted.completed + counted.aborted,
            ...(await processSizes("worker", worker.pid)),
            ...(await processSizes("deployment", deployment.pid())),
            "operators MB": ownHeap()
          })
          await Effect.runPromise(Console.log(newest(samples)))
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

        assertPlateau(samples)
      })
    }).pipe(Effect.scoped, Effect.provide(world)),
  3_600_000
)
