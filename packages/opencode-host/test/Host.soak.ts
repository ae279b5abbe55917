/**
 * Tests that take too long for every run: `pnpm run soak`. `SOAK_ROUNDS` (default 20) and `SOAK_SEED` choose the kills.
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Config, Console, Effect, Fiber, Result, Stream } from "effect"
import { OpenCodeHost, listProcesses } from "../src/index.ts"
import { killAtRandom } from "./kills.ts"
import { endOf, hosted, newSession, numbered, promptOf, runPrompt, setting, textOf } from "./support.ts"

const limit = 900_000
const hello = () => Reply.text("Hello.")

const heap = (() => {
  setFlagsFromString("--expose-gc")
  const collect: unknown = runInNewContext("gc")
  return () => {
    if (typeof collect === "function") collect()
    return process.memoryUsage().heapUsed
  }
})()

describe("a soak", () => {
  it.live(
    "a host that is killed at any moment leaves no process, and no lock that blocks the next",
    () =>
      Effect.gen(function* () {
        const rounds = yield* Config.Int("SOAK_ROUNDS").pipe(Config.withDefault(20))
        yield* Console.log((yield* killAtRandom({ rounds, startMillis: 8000, useMillis: 3000 })).join("\n"))
      }).pipe(Effect.scoped),
    limit
  )

  it.live(
    "replaces a server that is stopped in a stream, notifies its listeners and ends its turn",
    () =>
      Effect.gen(function* () {
        const { options } = yield* setting(({ lastUserText }) =>
          lastUserText === "slow" ? Reply.text("word ".repeat(3000), { every: "50 millis" }) : Reply.text("Hello.")
        )
        yield* hosted(
          options,
          Effect.gen(function* () {
            const { server, turn, events } = yield* OpenCodeHost
            const { pid = 0 } = yield* server
            const gap = yield* events.pipe(
              Stream.filter((event) => event._tag === "Gap"),
              Stream.runHead,
              Effect.forkChild({ startImmediately: true })
            )
            let stopped = false
            const turned = yield* turn(yield* promptOf(yield* newSession, "slow")).pipe(
              Stream.tap((event) =>
                Effect.sync(() => {
                  if (event._tag !== "TextDelta" || stopped) return
                  stopped = true
                  process.kill(pid, "SIGSTOP")
                })
              ),
              Stream.runCollect
            )
            assert.strictEqual(endOf(turned).error?.name, "ServerDied")
            yield* Fiber.join(gap)
            assert.notStrictEqual((yield* server).pid, pid)
            assert.strictEqual(endOf(yield* runPrompt("hi")).outcome, "completed")
          })
        )
      }).pipe(Effect.scoped),
    limit
  )

  it.live(
    "a disk without room for OpenCode's data fails the start or the turn in words, and leaves nothing behind",
    () =>
      Effect.gen(function* () {
        const { options, root } = yield* setting(() => Reply.text("Hello."))
        const { path } = yield* hosted(
          options,
          Effect.gen(function* () {
            assert.strictEqual(endOf(yield* runPrompt("hi")).outcome, "completed")
            return (yield* (yield* OpenCodeHost).server).binary ?? { path: "" }
          })
        )
        // No file may grow beyond the limit, in blocks of 512 bytes; a write beyond it fails.
        const limited = (blocks: number) =>
          Effect.gen(function* () {
            const binary = join(root, `limited-${blocks}`)
            const script = `#!/bin/sh\ntrap '' XFSZ\nulimit -f ${blocks}\nexec ${path} "$@"\n`
            yield* Effect.promise(() => writeFile(binary, script, { mode: 0o755 }))
            return { ...options, binary }
          })

        const failure = yield* Effect.flip(hosted(yield* limited(0), newSession))
        assert.include(["StartFailed", "Protocol"], failure.reason._tag, failure.message)

        // Room for what is there, and none for a prompt of 16 MB.
        yield* hosted(
          yield* limited(16_384),
          Effect.gen(function* () {
            const { hostId, turn } = yield* OpenCodeHost
            const prompt = yield* promptOf(yield* newSession, "x".repeat(16_000_000))
            const told = yield* Effect.result(Stream.runCollect(turn(prompt)))
            assert.notStrictEqual(Result.isSuccess(told) ? endOf(told.success).outcome : "failed", "completed")
            return hostId
          })
        ).pipe(Effect.tap((hostId) => Effect.map(listProcesses(hostId), (left) => assert.deepStrictEqual(left, []))))

        yield* hosted(
          options,
          Effect.gen(function* () {
            assert.strictEqual(endOf(yield* runPrompt("hi")).outcome, "completed")
          })
        )
      }),
    limit
  )

  it.live(
    "ten thousand deltas a session, eight sessions at once, and a listener that hardly reads: nothing lost, the heap flat",
    () =>
      Effect.gen(function* () {
        const { options } = yield* setting(({ lastUserText }) =>
          Reply.text(numbered(lastUserText, 10_000), { every: "4 millis" })
        )
        yield* hosted(
          options,
          Effect.gen(function* () {
            const { events } = yield* OpenCodeHost
            assert.strictEqual(endOf(yield* runPrompt("warm-up")).outcome, "completed")
            const seen = { events: 0, gaps: 0 }
            yield* events.pipe(
              Stream.runForEach((event) => {
                if (event._tag === "Gap") seen.gaps += 1
                else seen.events += 1
                return Effect.sleep("20 millis")
              }),
              Effect.forkScoped({ startImmediately: true })
            )
            const sizes = [heap()]
            for (let round = 0; round < 2; round++) {
              yield* Effect.forEach(
                Array.from({ length: 8 }, (_, index) => `r${round}s${index}`),
                (name) =>
                  Effect.map(runPrompt(name), (turned) => {
                    assert.isTrue(textOf(turned) === numbered(name, 10_000), `${name} lost or swapped text`)
                    assert.strictEqual(endOf(turned).outcome, "completed")
                  }),
                { concurrency: "unbounded" }
              )
              sizes.push(heap())
            }
            yield* Console.log(`heap in MB after each round: ${sizes.map((size) => Math.round(size / 1e6)).join(", ")}`)
            yield* Console.log(
              `the slow listener took ${seen.events} events and received ${seen.gaps} overflow notices`
            )
            assert.isAbove(seen.gaps, 0)
            // The heap grows by at most the slow listener's backlog, whatever the number of events.
            assert.isBelow((sizes.at(-1) ?? 0) - (sizes[1] ?? 0), 16_000_000)
          }).pipe(Effect.scoped)
        )
      }).pipe(Effect.scoped),
    limit
  )

  it.live(
    "five thousand sessions are listed once each",
    () =>
      Effect.gen(function* () {
        const { options } = yield* setting(hello)
        yield* hosted(
          options,
          Effect.gen(function* () {
            const { client } = yield* OpenCodeHost
            const create = Effect.map(client.sessions.create({ title: "many" }), ({ id }) => id)
            const made = yield* Effect.replicateEffect(create, 5000, { concurrency: 8 })
            assert.sameMembers(
              (yield* client.sessions.list()).map(({ id }) => id),
              made
            )
            assert.lengthOf(new Set(made), 5000)
          })
        )
      }).pipe(Effect.scoped),
    limit
  )
})
