import { assert, describe, it, layer } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { MAX_RESULT } from "@opencode-worker/convex-backend/limits"
import { Data, Deferred, Effect, Exit, Fiber, Layer, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  api,
  CommandFailed,
  Commands,
  type CommandsOptions,
  ConvexSyncError,
  Lease,
  type QueuedCommand
} from "../src/index.ts"
import { ConvexClient, ConvexClientReason } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair } from "./support/deployment.ts"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
const idOf = <Table extends "commands" | "sessions" | "turns">(name: string) => name as Id<Table>
const queued = (name: string, command: QueuedCommand["command"], epoch = 1): QueuedCommand => ({
  commandId: idOf<"commands">(name),
  command,
  opencodeSessionId: null,
  epoch
})
const rename = (name: string, session = "a") =>
  queued(name, { kind: "rename", sessionId: idOf<"sessions">(session), title: name })
const compact = (name: string) => queued(name, { kind: "compact", sessionId: idOf<"sessions">("a") })
const pause = (name: string) => queued(name, { kind: "pause" })
const away = new ConvexSyncError({
  operation: "commands:settle",
  reason: new ConvexClientReason.Unreachable({ millis: 1 })
})
const returning = (call: number) => (call < 4 ? Effect.fail(away) : Effect.void)

class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

/** Runs commands with `execute`, and records which were started and settled. */
const setUp = Effect.fnUntraced(function* (
  execute: (name: string) => Effect.Effect<unknown, Error> = () => Effect.void,
  options?: CommandsOptions & { readonly settle?: (call: number) => Effect.Effect<void, ConvexSyncError> }
) {
  const windows = yield* Queue.unbounded<ReadonlyArray<QueuedCommand> | ConvexSyncError>()
  const begun: Array<string> = []
  const settled: Array<readonly [string, string | undefined]> = []
  const results: Array<string> = []
  let calls = 0
  const { run } = Commands.make(
    {
      epoch: 1,
      windows: Stream.mapEffect(Stream.fromQueue(windows), (shown) =>
        "operation" in shown ? Effect.fail(shown) : Effect.succeed(shown)
      ),
      begin: (commandId) => Effect.succeed(commandId !== "begun before"),
      settle: (commandId, { error, result }) =>
        Effect.andThen(
          Effect.suspend(() => options?.settle?.(++calls) ?? Effect.void),
          Effect.sync(() => {
            settled.push([commandId, error])
            if (result !== undefined) results.push(result)
          })
        )
    },
    options
  )
  const running = yield* Effect.forkScoped(
    run(({ commandId }) =>
      Effect.suspend(() => {
        begun.push(commandId)
        return execute(commandId)
      })
    )
  )
  return {
    begun,
    results,
    settled,
    running,
    fail: (reason: ConvexSyncError["reason"]) =>
      Effect.andThen(
        Queue.offer(windows, new ConvexSyncError({ operation: "commands:queued", reason })),
        TestClock.adjust("5 seconds")
      ),
    show: (...shown: ReadonlyArray<QueuedCommand>) =>
      Effect.andThen(Queue.offer(windows, shown), Effect.repeat(TestClock.adjust(0), { times: 4 }))
  }
})

describe("Commands", () => {
  it.effect("executes each command once, however often it is shown, and settles it", () =>
    Effect.gen(function* () {
      const { begun, settled, show } = yield* setUp()
      yield* show(rename("1"), rename("2"))
      yield* show(rename("2"))
      yield* show(rename("2"), rename("3"))
      assert.deepStrictEqual(begun, ["1", "2", "3"])
      assert.deepStrictEqual(settled, [
        ["1", undefined],
        ["2", undefined],
        ["3", undefined]
      ])
    })
  )

  it.effect("runs commands of one session in sequence, and other commands concurrently", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { begun, settled, show } = yield* setUp((name) => (name === "1" ? Deferred.await(gate) : Effect.void))
      yield* show(rename("1"), rename("2"), rename("3", "b"), pause("4"))
      assert.deepStrictEqual(begun.toSorted(), ["1", "3", "4"])
      yield* Deferred.done(gate, Exit.void)
      yield* show(rename("1"), rename("2"))
      assert.deepStrictEqual(begun.at(-1), "2")
      assert.strictEqual(settled.length, 4)
    })
  )

  it.effect("does not repeat an action that an earlier process began", () =>
    Effect.gen(function* () {
      const { begun, settled, show } = yield* setUp()
      yield* show(compact("begun before"), compact("2"))
      assert.deepStrictEqual(begun, ["2"])
      assert.match(settled[0]?.[1] ?? "", /stopped in the middle/)
      assert.deepStrictEqual(settled[1], ["2", undefined])
    })
  )

  it.effect("bounds a result that is longer than the deployment stores", () =>
    Effect.gen(function* () {
      const { results, show } = yield* setUp((name) =>
        name === "1"
          ? Effect.succeed("x".repeat(MAX_RESULT))
          : new CommandFailed({ message: "No", result: ["x".repeat(MAX_RESULT)] })
      )
      yield* show(rename("1"), rename("2"))
      assert.deepStrictEqual(results, ['{"truncated":true}', '{"truncated":true}'])
    })
  )

  it.effect("stores the value of a command as its result, also that of one that failed", () =>
    Effect.gen(function* () {
      const { results, show } = yield* setUp((name) =>
        name === "1" ? Effect.succeed({ files: 1 }) : new CommandFailed({ message: "No", result: { files: 2 } })
      )
      yield* show(rename("1"), rename("2"))
      assert.deepStrictEqual(results, ['{"files":1}', '{"files":2}'])
    })
  )

  it.effect("runs lifecycle commands without waiting for a model refresh", () =>
    Effect.gen(function* () {
      const { begun, settled, show } = yield* setUp((name) => (name.startsWith("models") ? Effect.never : Effect.void))
      const refresh = (name: string) => queued(name, { kind: "refreshModels" })
      yield* show(refresh("models"), queued("pause", { kind: "pause" }), refresh("models again"))
      assert.sameMembers(begun, ["models", "pause"])
      assert.deepStrictEqual(settled, [["pause", undefined]])
    })
  )

  it.effect("settles a failed command as failed, and runs the next one", () =>
    Effect.gen(function* () {
      const { settled, show } = yield* setUp((name) =>
        name === "1"
          ? Effect.fail(new Refused({ message: "No such session" }))
          : name === "2"
            ? Effect.die("a bug")
            : Effect.void
      )
      yield* show(rename("1"), rename("2"), rename("3"))
      assert.deepStrictEqual(settled, [
        ["1", "No such session"],
        ["2", "a bug"],
        ["3", undefined]
      ])
    })
  )

  it.effect("interrupts a command that exceeds the time limit", () =>
    Effect.gen(function* () {
      const { settled, show } = yield* setUp(() => Effect.never, { timeLimit: "10 seconds" })
      yield* show(rename("1"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        settled.map(([name]) => name),
        ["1"]
      )
      assert.match(settled[0]?.[1] ?? "", /longer than 10s.* send the command again/)
    })
  )

  it.effect("rejects lifecycle commands for an earlier process, and executes its session commands", () =>
    Effect.gen(function* () {
      const { begun, settled, show } = yield* setUp()
      yield* show(queued("drain", { kind: "drain" }, 0), { ...rename("rename"), epoch: 0 })
      assert.deepStrictEqual(begun, ["rename"])
      assert.match(settled.find(([name]) => name === "drain")?.[1] ?? "", /process that has ended/)
    })
  )

  it.effect("continues after the subscription failed: does not restart running commands, and starts new ones", () =>
    Effect.gen(function* () {
      const { begun, fail, settled, show } = yield* setUp((name) => (name === "1" ? Effect.never : Effect.void))
      yield* show(rename("1"))
      yield* fail(new ConvexClientReason.FunctionFailed({ message: "It read too much" }))
      yield* show(rename("1"), pause("2"))
      assert.deepStrictEqual([begun, settled], [["1", "2"], [["2", undefined]]])
    })
  )

  it.effect("ends when the lease is lost", () =>
    Effect.gen(function* () {
      const { fail, running } = yield* setUp()
      yield* fail(new ConvexClientReason.Rejected({ code: "Fenced", message: "Another process took over", data: null }))
      assert.match(String(yield* Effect.flip(Fiber.join(running))), /Another process took over/)
    })
  )

  it.effect("cuts the reason of a failure between characters", () =>
    Effect.gen(function* () {
      const message = `${"x".repeat(3_999)}😀`
      const { settled, show } = yield* setUp(() => Effect.fail(new Refused({ message })))
      yield* show(rename("1"))
      const reason = settled[0]?.[1]
      assert.strictEqual(reason?.length, 4_000)
      assert.isTrue(reason?.isWellFormed())
    })
  )

  it.effect("settles a command when the deployment is reachable again", () =>
    Effect.gen(function* () {
      const { begun, settled, show } = yield* setUp(() => Effect.void, { settle: returning })
      yield* show(rename("1"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([begun, settled], [["1"], [["1", undefined]]])
    })
  )
})

layer(Deployment.layer, { excludeTestServices: true })("Commands over a deployment", (test) => {
  test.effect("delivers an operator's command to the worker, and the outcome to the operator", () =>
    Effect.gen(function* () {
      const operator = yield* connection("ann")
      const credentials = yield* pair(operator)
      const { workerId } = credentials
      yield* Effect.gen(function* () {
        const { run } = yield* Commands
        yield* Effect.forkScoped(
          run(({ command }) =>
            command.kind === "pause" ? Effect.void : Effect.fail(new Refused({ message: "Not now" }))
          )
        )
        const outcome = Effect.fnUntraced(function* (commandId: Id<"commands">) {
          return yield* operator.subscribe(api.commands.get, { commandId }).pipe(
            Stream.filter((known) => known !== null && known.status !== "queued"),
            Stream.map((known) => [known?.status, known?.error]),
            Stream.runHead
          )
        })
        const paused = yield* operator.mutation(api.workers.pause, { workerId, idempotencyKey: "1" })
        const drained = yield* operator.mutation(api.workers.drain, { workerId, idempotencyKey: "2" })
        assert.deepInclude(yield* outcome(paused), { value: ["done", null] })
        assert.deepInclude(yield* outcome(drained), { value: ["failed", "Not now"] })
      }).pipe(
        Effect.provide(Commands.layer().pipe(Layer.provideMerge(Lease.layer(credentials, { processId: "p" })))),
        Effect.scoped,
        Effect.provideService(ConvexClient, operator)
      )
    })
  )
})
