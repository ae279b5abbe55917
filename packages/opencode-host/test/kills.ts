/** Hosts that are killed at random moments, for the few rounds of every run and the many of the soak. */
import type { ChildProcess } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Config, Console, Effect, Option, Random } from "effect"
import { endOf, eventually, hosted, parent, runPrompt, setting } from "./support.ts"

/** Living processes that were started with this home, whatever host marked them. */
const processesOf = (root: string) =>
  Effect.sync(() =>
    readdirSync("/proc").filter((name) => {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) return false
      try {
        const zombie = /\) [ZX] /.test(readFileSync(`/proc/${name}/stat`, "latin1"))
        return !zombie && readFileSync(`/proc/${name}/environ`, "latin1").includes(`HOME=${root}/`)
      } catch {
        return false
      }
    })
  )

const firstOutput = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    child.stdout?.once("data", () => resume(Effect.void))
  })

/**
 * Kills one host after the other in the same directory: in its start (within `startMillis`), or in its use (within
 * `useMillis` of the moment that its tools run). `SOAK_SEED` chooses the moments; a failure prints the seed that did.
 */
export const killAtRandom = Effect.fnUntraced(function* (options: {
  readonly rounds: number
  readonly startMillis: number
  readonly useMillis: number
}) {
  const given = yield* Config.option(Config.String("SOAK_SEED"))
  const seed = Option.isSome(given) ? given.value : String(yield* Random.nextInt)
  const { options: hostOptions, root } = yield* setting(({ lastUserText, toolResults }) =>
    lastUserText === "stay" && toolResults.length === 0
      ? Reply.toolCall("bash", { command: "sleep 300 & setsid sleep 301 & wait", description: "stay" })
      : Reply.text("word ".repeat(100), { every: "20 millis" })
  )
  const log: Array<string> = []
  const kill = Effect.fnUntraced(function* (round: number) {
    const inUse = yield* Random.nextBoolean
    const millis = yield* Random.nextIntBetween(0, inUse ? options.useMillis : options.startMillis)
    const child = yield* parent(hostOptions)
    if (inUse) yield* firstOutput(child)
    yield* Effect.sleep(millis)
    const before = (yield* processesOf(root)).length
    child.kill("SIGKILL")
    log.push(`round ${round}: killed ${millis} ms into its ${inUse ? "use" : "start"}, with ${before} processes`)
    yield* eventually(processesOf(root), (found) => found.length === 0)
  }, Effect.scoped)
  const rounds = Effect.forEach(
    Array.from({ length: options.rounds }, (_, index) => index + 1),
    kill
  )
  const next = hosted(hostOptions, runPrompt("hi"))
  yield* rounds.pipe(
    Random.withSeed(seed),
    Effect.andThen(next),
    Effect.tap((events) => Effect.sync(() => assert.strictEqual(endOf(events).outcome, "completed"))),
    Effect.tapCause(() => Console.error(`SOAK_SEED=${seed}\n${log.join("\n")}`))
  )
  return log
})
