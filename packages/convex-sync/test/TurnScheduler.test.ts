import { assert, describe, it } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { Deferred, Effect, Exit, Fiber, Queue, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  type Agent,
  AgentError,
  AgentReason,
  ConvexSyncError,
  ConvexSyncReason,
  type DeltaWriter,
  type OrphanedTurn,
  type ReadyTurn,
  type RequestCard,
  type TurnResult,
  TurnScheduler,
  type TurnStore
} from "../src/index.ts"
import * as ScriptedAgent from "../src/testing/ScriptedAgent.ts"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
const idOf = <Table extends "sessions" | "turns">(name: string) => name as Id<Table>
/** `session>name` steers the turn of that session; `name` has a session of its own. */
const turn = (name: string): ReadyTurn => {
  const [session = name, steer] = name.split(">")
  return {
    turnId: idOf<"turns">(name),
    sessionId: idOf<"sessions">(session),
    delivery: steer === undefined ? "queue" : "steer"
  }
}
const failed = (operation: string) => (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation, reason })
const refused = failed("queue:claim")(new ConvexSyncReason.FunctionFailed({ message: "Server Error" }))
const unavailable = new AgentReason.Unavailable({ message: "The server restarts" })

interface Options {
  readonly agent?: Agent["Service"]
  readonly claim?: (name: string) => Effect.Effect<boolean, ConvexSyncError>
  readonly finish?: (name: string) => Effect.Effect<void, ConvexSyncError>
  readonly files?: TurnStore["files"]
  readonly orphaned?: () => ReadonlyArray<OrphanedTurn>
  /** Text that an earlier process has streamed. */
  readonly streamed?: string
}

/** Completes every prompt at once. */
const obedient = () => ScriptedAgent.make({ script: ({ text }) => [{ say: text }] }).agent

/** A scheduler over an in-memory store that records claims and outcomes. */
const setUp = Effect.fnUntraced(function* ({
  agent = obedient(),
  claim,
  files = () => Effect.succeed([]),
  finish,
  orphaned,
  streamed = ""
}: Options = {}) {
  const windows = yield* Queue.unbounded<ReadonlyArray<ReadyTurn> | ConvexSyncError>()
  const aborts = yield* Queue.unbounded<ReadonlyArray<Id<"turns">>>()
  const claimed: Array<string> = []
  const requeued: Array<string> = []
  const results: Array<readonly [name: string, outcome: string, error: string]> = []
  const notices: Array<string> = []
  const resumed: Array<number> = []
  let text = streamed
  const store: TurnStore = {
    windows: Stream.mapEffect(Stream.fromQueue(windows), (window) =>
      "operation" in window ? Effect.fail(window) : Effect.succeed(window)
    ),
    aborts: Stream.fromQueue(aborts),
    files,
    conversation: (sessionId) => ({
      sessionId,
      read: Effect.succeed({ agentSessionId: null, title: "", historyLost: false, createdAt: 0 }),
      link: () => Effect.succeed({ chosenTitle: null })
    }),
    claim: (turnId) =>
      Effect.suspend(() => {
        claimed.push(turnId)
        const prompt = {
          text: turnId,
          model: null,
          agent: null,
          variant: null,
          command: null,
          budget: null,
          fileCount: turnId.startsWith("file") ? 1 : 0
        }
        return Effect.map(claim?.(turnId) ?? Effect.succeed(true), (isClaimed) => (isClaimed ? prompt : null))
      }),
    adopt: (turnId) =>
      Effect.succeed({
        text: turnId,
        model: null,
        agent: null,
        variant: null,
        command: null,
        budget: null,
        fileCount: 0,
        messageId: "message_1",
        partId: "part_1",
        seq: 3
      }),
    deliver: () => Effect.void,
    streamed: () => Effect.sync(() => [{ partId: streamed === "" ? "p" : "part_1_1", kind: "text", text }]),
    finish: (turnId, { error, outcome }: TurnResult.TurnResult) =>
      Effect.andThen(
        Effect.suspend(() => finish?.(turnId) ?? Effect.void),
        Effect.sync(() => results.push([turnId, outcome, error?.name ?? ""]))
      ),
    requeue: (turnId) => Effect.sync(() => requeued.push(turnId)),
    orphaned: () => Effect.sync(() => orphaned?.() ?? []),
    requests: {
      open: () => Effect.never,
      answers: Stream.never,
      close: () => Effect.void
    }
  }
  const deltas: DeltaWriter["Service"] = {
    append: (_, segment) =>
      Effect.sync(() => {
        if (segment.kind === "notice") notices.push(segment.text)
        else text += segment.text
      }),
    flush: () => Effect.void,
    end: () => Effect.void,
    discard: () => Effect.void,
    markWatched: () => Effect.void,
    resume: (_, seq) => Effect.sync(() => resumed.push(seq))
  }
  const scheduler = yield* TurnScheduler.make(agent, store, deltas)
  const start = Effect.forkScoped(scheduler.run)
  const running = yield* start
  // A few rounds let all fibers proceed.
  const settle = Effect.repeat(TestClock.adjust(0), { times: 6 })
  return {
    abort: (...names: ReadonlyArray<string>) => Effect.andThen(Queue.offer(aborts, names.map(idOf<"turns">)), settle),
    claimed,
    fail: (reason: ConvexSyncError["reason"]) =>
      Effect.andThen(Queue.offer(windows, failed("queue:listReady")(reason)), settle),
    notices,
    requeued,
    results,
    resumed,
    text: () => text,
    running,
    scheduler,
    settle,
    show: (...names: ReadonlyArray<string>) => Effect.andThen(Queue.offer(windows, names.map(turn)), settle),
    start
  }
})

/** An agent whose turns run until they are aborted. */
const hanging = (capacity = 20) =>
  ScriptedAgent.make({ capacity, script: ({ text }) => [{ say: text }, { wait: Effect.never }] })

const Windows = Schema.Array(Schema.Array(Schema.Literals(["a", "b", "c", "d"])))

describe("TurnScheduler, its window", () => {
  it.effect("starts the oldest turn first, and runs turns concurrently, each once", () =>
    Effect.gen(function* () {
      const { agent, delivered } = hanging()
      const { claimed, show } = yield* setUp({ agent })
      yield* show("a", "b")
      yield* show("b", "c")
      yield* show("b", "c", "a")
      assert.deepStrictEqual(claimed, ["a", "b", "c"])
      assert.deepStrictEqual(
        delivered.map(({ text }) => text),
        ["a", "b", "c"]
      )
    })
  )

  it.effect("stores the result of a turn with its parts", () =>
    Effect.gen(function* () {
      const { results, show } = yield* setUp()
      yield* show("a")
      assert.deepStrictEqual(results, [["a", "completed", ""]])
    })
  )

  it.effect("passes the files of a prompt on, and reads none for a prompt without files", () =>
    Effect.gen(function* () {
      const { agent, delivered } = hanging()
      const read: Array<string> = []
      const file = { name: "a.png", type: "image/png", bytes: new Uint8Array([1]) }
      const files = (turnId: string) => Effect.sync(() => [{ ...file, name: `${read.push(turnId)}.png` }])
      const { show } = yield* setUp({ agent, files })
      yield* show("file")
      yield* show("b")
      assert.deepStrictEqual(read, ["file"])
      assert.deepStrictEqual(
        delivered.map((prompt) => prompt.files),
        [[{ ...file, name: "1.png" }], []]
      )
    })
  )

  it.effect("fails a turn whose file cannot be read, without its prompt, and aborts one that waits for a file", () =>
    Effect.gen(function* () {
      const { agent, delivered } = hanging()
      const gone = new AgentReason.Failed({ name: "FileUnavailable", message: "a.png is gone" })
      const { abort, results, show } = yield* setUp({
        agent,
        files: (turnId) => (turnId === "file a" ? Effect.fail(new AgentError({ reason: gone })) : Effect.never)
      })
      yield* show("file a")
      assert.deepStrictEqual(results, [["file a", "failed", "FileUnavailable"]])
      yield* show("file b")
      yield* abort("file b")
      assert.deepStrictEqual(results.at(-1), ["file b", "aborted", ""])
      assert.deepStrictEqual(delivered, [])
    })
  )

  it.effect("retries a turn that is still shown after 5 seconds, and no other turn", () =>
    Effect.gen(function* () {
      const failing = new Set(["a", "b"])
      const { agent } = hanging()
      const { claimed, show } = yield* setUp({
        agent,
        claim: (name) => (failing.has(name) ? Effect.fail(refused) : Effect.succeed(true))
      })
      yield* show("a", "b", "c")
      yield* show("a", "b", "c")
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(claimed, ["a", "b", "c"])
      yield* show("a")
      failing.clear()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(claimed, ["a", "b", "c", "a"])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(claimed.length, 4)
    })
  )

  it.effect("does not loop on a turn that stays shown and cannot be claimed", () =>
    Effect.gen(function* () {
      const { claimed, show } = yield* setUp({ claim: () => Effect.succeed(false) })
      yield* show("a")
      for (let second = 0; second < 60; second++) yield* TestClock.adjust("1 second")
      assert.strictEqual(claimed.length, 13)
    })
  )

  it.effect("starts a turn at once that left the window and returned", () =>
    Effect.gen(function* () {
      const { claimed, show } = yield* setUp({ claim: () => Effect.succeed(false) })
      yield* show("a")
      yield* show()
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(claimed, ["a"])
      yield* show("a")
      assert.deepStrictEqual(claimed, ["a", "a"])
    })
  )

  it.effect("restarts a requeued turn, although every window contained it", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { agent } = ScriptedAgent.make({ script: () => [{ wait: Deferred.await(gate) }] })
      const { claimed, results, settle, show } = yield* setUp({ agent })
      yield* show("a")
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      // Claimed and requeued between two windows that both contain it.
      yield* show("a")
      assert.deepStrictEqual([claimed.length, results.length], [1, 1])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(claimed.length, 2)
    })
  )

  it.effect.prop(
    "runs every turn of the last window, whatever came before, and each at most once at a time",
    [Windows],
    ([windows]) =>
      Effect.gen(function* () {
        const running = new Set<string>()
        const agent = ScriptedAgent.make({
          script: ({ text }) => [
            {
              wait: Effect.acquireUseRelease(
                Effect.sync(() => {
                  assert.isFalse(running.has(text), "twice at a time")
                  running.add(text)
                }),
                () => Effect.sleep("1 second"),
                () => Effect.sync(() => running.delete(text))
              )
            }
          ]
        }).agent
        const { show } = yield* setUp({ agent })
        for (const window of windows) {
          yield* show(...new Set(window))
          yield* TestClock.adjust("700 millis")
        }
        const seen = new Set<string>()
        for (let step = 0; step < 70; step++) {
          for (const name of running) seen.add(name)
          yield* TestClock.adjust("100 millis")
        }
        assert.sameMembers(
          [...seen].filter((name) => windows.at(-1)?.some((last) => last === name)),
          [...new Set(windows.at(-1))]
        )
      })
  )

  it.effect("continues when its subscription is restarted, and ends with the lease", () =>
    Effect.gen(function* () {
      const { agent } = hanging()
      const { claimed, fail, running, show } = yield* setUp({ agent })
      yield* show("a")
      yield* fail(new ConvexSyncReason.FunctionFailed({ message: "Server Error" }))
      yield* TestClock.adjust("5 seconds")
      yield* show("a", "b")
      assert.deepStrictEqual(claimed, ["a", "b"])
      yield* fail(new ConvexSyncReason.Rejected({ code: "Fenced", message: "Another process", data: null }))
      assert.isTrue(Exit.isFailure(yield* Fiber.await(running)))
    })
  )

  it.effect("claims no turn without a free place, and admits turns in order", () =>
    Effect.gen(function* () {
      const { agent, delivered } = hanging(1)
      const { abort, claimed, show } = yield* setUp({ agent })
      yield* show("a", "b", "c")
      assert.deepStrictEqual(claimed, ["a"])
      yield* show("b", "c")
      yield* abort("a")
      assert.deepStrictEqual(claimed, ["a", "b"])
      assert.strictEqual(delivered.length, 2)
    })
  )

  it.effect("finishes claimed turns and keeps waiting turns queued when it is paused", () =>
    Effect.gen(function* () {
      const { agent } = hanging(1)
      const { abort, claimed, results, running, scheduler, settle, show, start } = yield* setUp({ agent })
      yield* show("a", "b")
      yield* Fiber.interrupt(running)
      const idle = yield* Effect.forkScoped(scheduler.idle)
      yield* settle
      assert.isUndefined(idle.pollUnsafe())
      yield* abort("a")
      yield* Fiber.join(idle)
      assert.deepStrictEqual([claimed, results], [["a"], [["a", "aborted", ""]]])
      yield* start
      yield* show("b")
      assert.deepStrictEqual(claimed, ["a", "b"])
    })
  )
})

describe("TurnScheduler, delivery", () => {
  it.effect("retries with the same ids while the agent is unavailable, and reports it", () =>
    Effect.gen(function* () {
      const ids = new Set<string>()
      let calls = 0
      const { agent, delivered } = ScriptedAgent.make({
        script: ({ messageId, text }) => {
          ids.add(messageId)
          return ++calls < 4 ? [{ fail: unavailable }] : [{ say: text }]
        }
      })
      const { notices, results, show } = yield* setUp({ agent })
      yield* show("a")
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual([calls, ids.size, delivered.length], [4, 1, 1])
      assert.deepStrictEqual(results, [["a", "completed", ""]])
      assert.match(notices.join(), /did not take the prompt, which is sent again: The server restarts/)
    })
  )

  it.effect("retries four times and then fails the turn", () =>
    Effect.gen(function* () {
      let calls = 0
      const { agent } = ScriptedAgent.make({
        script: () => {
          calls += 1
          return [{ fail: unavailable }]
        }
      })
      const { results, show } = yield* setUp({ agent })
      yield* show("a")
      yield* show()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([calls, results], [5, [["a", "failed", "Unavailable"]]])
    })
  )

  it.effect("waits until the session is free, and reports the wait once", () =>
    Effect.gen(function* () {
      let calls = 0
      const busy = new AgentReason.Busy({ message: "Another program runs a turn" })
      const { agent } = ScriptedAgent.make({ script: () => (++calls < 30 ? [{ fail: busy }] : [{ say: "now" }]) })
      const { notices, results, show } = yield* setUp({ agent })
      yield* show("a")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([notices, results], [["Another program runs a turn"], []])
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(results, [["a", "completed", ""]])
    })
  )

  it.effect("delivers to a new session, once, when the session is lost", () =>
    Effect.gen(function* () {
      let calls = 0
      const gone = new AgentReason.SessionGone({ message: "Deleted" })
      const { agent } = ScriptedAgent.make({
        script: ({ text }) => {
          calls += 1
          return text === "a" && calls === 2 ? [{ say: "new" }] : [{ fail: gone }]
        }
      })
      const { results, settle, show } = yield* setUp({ agent })
      yield* show("a")
      yield* settle
      yield* show("b")
      yield* settle
      assert.deepStrictEqual(results, [
        ["a", "completed", ""],
        ["b", "failed", "SessionGone"]
      ])
    })
  )

  it.effect("ends the turn as aborted when the operator deletes the session", () =>
    Effect.gen(function* () {
      const { agent } = ScriptedAgent.make({ script: () => [{ fail: new AgentReason.Deleting() }] })
      const { results, show } = yield* setUp({ agent })
      yield* show("a")
      assert.deepStrictEqual(results, [["a", "aborted", ""]])
    })
  )
})

describe("TurnScheduler, a prompt that steers", () => {
  it.effect("runs in the place of the turn that it steers, which is free when both have ended", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { agent, delivered } = ScriptedAgent.make({
        capacity: 1,
        script: ({ text }) => [{ say: text }, { wait: text === "a>1" ? Deferred.await(gate) : Effect.never }]
      })
      const { claimed, results, settle, show } = yield* setUp({ agent })
      yield* show("a")
      yield* show("a>1", "b")
      assert.deepStrictEqual([claimed, results], [["a", "a>1"], [["a", "completed", ""]]])
      yield* show("b")
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.deepStrictEqual(claimed, ["a", "a>1", "b"])
      assert.deepStrictEqual(results.at(-1), ["a>1", "completed", ""])
      assert.deepStrictEqual(
        delivered.map(({ delivery }) => delivery),
        ["queue", "steer", "queue"]
      )
    })
  )

  it.effect("runs as any other when the turn before it has ended", () =>
    Effect.gen(function* () {
      const { claimed, results, show } = yield* setUp()
      yield* show("a")
      yield* show("a>1")
      assert.deepStrictEqual(claimed, ["a", "a>1"])
      assert.deepStrictEqual(results.at(-1), ["a>1", "completed", ""])
    })
  )

  it.effect("steers another steering prompt, and is aborted through the agent", () =>
    Effect.gen(function* () {
      const { agent } = hanging(1)
      const { abort, results, scheduler, settle, show } = yield* setUp({ agent })
      yield* show("a")
      yield* show("a>1")
      yield* show("a>2")
      const idle = yield* Effect.forkScoped(scheduler.sessionIdle(idOf<"sessions">("a")))
      yield* settle
      assert.isUndefined(idle.pollUnsafe())
      yield* abort("a>2")
      yield* Fiber.join(idle)
      assert.deepStrictEqual(results, [
        ["a", "completed", ""],
        ["a>1", "completed", ""],
        ["a>2", "aborted", ""]
      ])
    })
  )

  it.effect("goes on when the worker is paused after the turn that it steers has ended", () =>
    Effect.gen(function* () {
      const { agent } = hanging(1)
      const { abort, claimed, results, running, scheduler, settle, show, start } = yield* setUp({ agent })
      yield* show("a")
      yield* show("a>1")
      yield* Fiber.interrupt(running)
      yield* settle
      assert.deepStrictEqual(results, [["a", "completed", ""]])
      yield* abort("a>1")
      yield* scheduler.idle
      yield* start
      yield* show("a>2")
      assert.deepStrictEqual(claimed, ["a", "a>1", "a>2"])
    })
  )

  it.effect("is recovered with the turn that it steers when the process ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { agent, delivered } = hanging()
      const { requeued, results, show } = yield* Scope.provide(setUp({ agent }), scope)
      yield* show("a")
      yield* show("a>1")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(
        [requeued, results],
        [
          [],
          [
            ["a", "completed", ""],
            ["a>1", "interrupted", "WorkerStopped"]
          ]
        ]
      )
      assert.strictEqual(delivered.length, 2)
    })
  )
})

describe("TurnScheduler, abort", () => {
  it.effect("aborts a delivered turn through the agent, and keeps its text", () =>
    Effect.gen(function* () {
      const { agent } = hanging()
      const { abort, results, show } = yield* setUp({ agent })
      yield* show("a", "b")
      yield* abort("a", "unknown")
      yield* abort("a")
      assert.deepStrictEqual(results, [["a", "aborted", ""]])
    })
  )

  it.effect("stops an undelivered turn, and delivers nothing", () =>
    Effect.gen(function* () {
      const { agent, delivered } = ScriptedAgent.make({ script: () => [{ fail: unavailable }] })
      const { abort, results, show } = yield* setUp({ agent })
      yield* show("a")
      yield* abort("a")
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(results, ["a", "aborted", ""])
      assert.deepStrictEqual(delivered, [])
    })
  )

  it.effect("stops a turn while it is claimed", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<boolean>()
      const { agent, delivered } = hanging()
      const { abort, results, settle, show } = yield* setUp({ agent, claim: () => Deferred.await(gate) })
      yield* show("a")
      yield* abort("a")
      yield* Deferred.succeed(gate, true)
      yield* settle
      assert.deepStrictEqual([results, delivered], [[["a", "aborted", ""]], []])
    })
  )

  it.effect("reports a session as idle when its claimed turn has ended", () =>
    Effect.gen(function* () {
      const { agent } = hanging()
      const { abort, scheduler, settle, show } = yield* setUp({ agent })
      yield* show("a", "b")
      yield* scheduler.sessionIdle(idOf<"sessions">("c"))
      const idle = yield* Effect.forkScoped(scheduler.sessionIdle(idOf<"sessions">("a")))
      yield* settle
      assert.isUndefined(idle.pollUnsafe())
      yield* abort("a")
      yield* Fiber.join(idle)
    })
  )
})

describe("TurnScheduler, recovery", () => {
  it.effect("reports a turn as asked and not answered if the process ends while it waits", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const card: RequestCard = {
        subject: "bash: touch a.txt",
        askedBy: [{ agent: "build", task: null }],
        directory: "/work",
        always: null,
        content: { kind: "permission", permission: "bash", sections: [] }
      }
      const { agent } = ScriptedAgent.make({ script: () => [{ ask: card }] })
      const { results, settle, show } = yield* Scope.provide(setUp({ agent }), scope)
      yield* show("a")
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(results, [["a", "interrupted", "NotAnswered"]])
    })
  )

  it.effect("recovers a turn whose outcome the deployment rejected", () =>
    Effect.gen(function* () {
      const calls: Array<string> = []
      const left: Array<OrphanedTurn> = []
      const orphan = {
        sessionId: idOf<"sessions">("a"),
        delivery: "queue" as const,
        messageId: "message_1",
        agentSessionId: "session_a",
        delivered: true,
        abortRequested: false,
        asks: false
      }
      const { results, scheduler, show } = yield* setUp({
        finish: (name) => {
          calls.push(name)
          if (calls.length > 1) {
            left.length = 0
            return Effect.void
          }
          left.push({ ...orphan, turnId: idOf<"turns">("a") })
          return Effect.fail(refused)
        },
        orphaned: () => left
      })
      yield* Effect.forkScoped(scheduler.recover)
      yield* show("a")
      yield* show()
      assert.deepStrictEqual(results, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([calls, results], [["a", "a"], [["a", "completed", ""]]])
    })
  )

  it.effect("follows a turn of an earlier process that waits for an answer, from the text that was streamed", () =>
    Effect.gen(function* () {
      const orphan = {
        ...turn("a"),
        messageId: "message_1",
        agentSessionId: "session_a",
        delivered: true,
        abortRequested: false,
        asks: true
      }
      const { agent } = ScriptedAgent.make({ script: () => [{ say: "so far, and more" }] })
      const left = [orphan]
      const { claimed, results, resumed, scheduler, settle, text } = yield* setUp({
        agent: {
          ...agent,
          record: () => Effect.succeed({ state: { _tag: "Asking" }, parts: () => [] })
        },
        orphaned: () => left,
        finish: () =>
          Effect.sync(() => {
            left.length = 0
          }),
        streamed: "so far"
      })
      yield* Effect.forkScoped(scheduler.recover)
      yield* settle
      assert.deepStrictEqual([claimed, resumed, results], [[], [3], [["a", "completed", ""]]])
      assert.strictEqual(text(), "so far, and more")
    })
  )

  it.effect("requeues a turn that is interrupted before delivery", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { agent } = ScriptedAgent.make({ script: () => [{ fail: unavailable }] })
      const { requeued, results, settle, show } = yield* Scope.provide(setUp({ agent }), scope)
      yield* show("a")
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([requeued, results], [["a"], []])
    })
  )

  it.effect("never resends a turn that is interrupted after delivery", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { agent, delivered } = hanging()
      const { requeued, results, show } = yield* Scope.provide(setUp({ agent }), scope)
      yield* show("a")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([requeued, results], [[], [["a", "interrupted", "WorkerStopped"]]])
      assert.strictEqual(delivered.length, 1)
    })
  )
})
