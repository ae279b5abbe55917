/**
 * 20 sessions with prompts of all kinds for `SOAK_MINUTES` (default 10), while the worker is restarted again and again, and the
 * deployment once, with the web console open: each turn ends once, and the processes reach a plateau. Part of `pnpm run soak`.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { consolePage, processesOf } from "@opencode-worker/harness"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { Console, Effect } from "effect"
import { assert, it } from "@effect/vitest"
import { sees } from "./console/browser.ts"
import { makeOperator, type Surroundings } from "./support/soak/operator.ts"
import { openPages } from "./support/soak/pages.ts"
import { assertPlateau, newest, processSizes, type Sample } from "./support/soak/plateau.ts"
import { mixedScript, textOf } from "./support/soak/prompts.ts"
import { approve, connect, minutesOfSoak, soakDeployment, soakWorker, soakWorld } from "./support/soak/world.ts"

const sessions = 20
/** Lives of the worker. */
const lives = 6
/** A restart strikes at least so many running turns. */
const struck = 3

/** How often the model was asked for each part of a turn. */
const counts = new Map<string, number>()
const world = soakWorld(mixedScript(counts), { models: ["echo"], imageModels: ["echo"], keep: 1 })

/** Waits without a limit: a machine that is too busy starts OpenCode late. */
const eventually = async <A>(find: () => Promise<A | undefined> | A | undefined): Promise<A> => {
  for (;;) {
    const found = await find()
    if (found !== undefined) return found
    await sleep(100)
  }
}

/** The host replaces a process that does not start in time. */
const openCodeSizes = (root: string) =>
  eventually(async () => {
    const found = (await processesOf(root)).find(({ command }) => command.includes("/opencode serve "))
    return found && (await processSizes("opencode", found.pid).catch(() => undefined))
  })

it.live(
  "20 sessions with restarts and an open console: no turn is lost or answered twice, and memory stays on a plateau",
  () =>
    Effect.gen(function* () {
      const minutes = yield* minutesOfSoak
      const { directory, root } = yield* OpenCodeHome
      const deployment = yield* soakDeployment(consolePage)
      const launch = soakWorker(deployment)
      const start = Effect.runPromiseWith(yield* Effect.context<Effect.Services<typeof launch>>())

      yield* Effect.promise(async () => {
        await using stack = new AsyncDisposableStack()
        const clients = connect(stack, deployment, sessions)
        const [first] = clients
        assert.isDefined(first)
        let worker = await start(launch)
        const workerId = await approve(first, worker)
        const ids = await Promise.all(clients.map((client) => client.sessions.create(workerId)))
        const pages = await openPages(stack, deployment, first, ids[0]!)

        const over = new AbortController()
        let prompts = 0
        const surroundings: Surroundings = {
          directory,
          image: new Uint8Array(await pages.page.screenshot({ clip: { x: 0, y: 0, width: 300, height: 200 } })),
          nextId: () => `soak-${++prompts}`,
          restarts: { begun: 0, ended: 0 },
          outcomes: new Map(),
          running: new Set(),
          problems: [],
          over: over.signal
        }
        const operators = clients.map((client, index) => makeOperator(client, ids[index]!, surroundings))

        const { outcomes, problems, restarts, running } = surroundings
        const launchAgain = async () => {
          worker = await start(launch)
          await worker.prints(/^Ready/m)
          restarts.ended += 1
        }
        const restartWorker = async (signal: "SIGTERM" | "SIGKILL") => {
          await eventually(() => running.size >= struck || undefined)
          restarts.begun += 1
          await worker.end(signal)
          await launchAgain()
        }
        const measure = async (): Promise<Sample> => ({
          turns: operators.reduce((sum, { sent }) => sum + sent().length, 0),
          ...(await processSizes("worker", worker.pid)),
          ...(await processSizes("deployment", deployment.pid())),
          ...(await openCodeSizes(root)),
          ...(await pages.sizes())
        })

        const finished = Promise.all(operators.map(({ run }, index) => run(index)))
        const samples: Array<Sample> = []
        const life = Math.max(1, Math.round(minutes / lives))
        for (let minute = 1; minute <= minutes; minute++) {
          await pages.roam(ids[minute % sessions]!)
          await sleep(60_000)
          if (!worker.isAlive()) {
            // On a machine that is too busy, OpenCode does not start in time, and the worker ends after some attempts.
            assert.include(`${worker.stdout()}${worker.stderr()}`, "OpenCode never started")
            restarts.begun += 1
            await launchAgain()
          }
          samples.push(await measure())
          await Effect.runPromise(Console.log([newest(samples), ...problems].join("\n")))
          if (minute === Math.ceil(life / 2)) {
            await deployment.kill()
            await deployment.restart()
          }
          if (minute % life === 0 && minute < minutes)
            await restartWorker((minute / life) % 2 === 0 ? "SIGKILL" : "SIGTERM")
        }
        over.abort()
        await finished
        await Effect.runPromise(Console.log(`outcomes ${JSON.stringify(Object.fromEntries(outcomes))}`))

        assert.deepStrictEqual(problems, [])
        for (const { check } of operators) await check()
        const repeated = Array.from(counts).filter(([, times]) => times > 1)
        assert.deepStrictEqual(repeated, [])
        // Older turns are not mounted.
        const last = operators[0]?.sent().at(-1)
        assert.isDefined(last)
        await sees(pages.page, textOf(last.kind, last.id))
        // Each life of the worker begins with less, and has between 115 and 167 MB, depending on when its collector ran.
        assertPlateau(samples, { "worker MB": [1.35, 20] })
      })
    }).pipe(Effect.scoped, Effect.provide(world)),
  7_200_000
)
