import { assert, describe, it } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { Deferred, Duration, Effect, Exit, Logger, Queue, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  AgentError,
  AgentReason,
  type AgentRequest,
  type Answer,
  type AnsweredRequest,
  ConvexSyncError,
  ConvexSyncReason,
  type RequestCard,
  type RequestReply,
  type RequestStore
} from "../src/index.ts"
import { makeRequests, type RequestsOptions, type TurnRequests } from "../src/internal/turns/requests.ts"

interface Asked {
  readonly id: string
  readonly command: string
}
const bash = (id: string, command = "touch a.txt"): Asked => ({ id, command })

/** A card shows only the command. `rm` cannot be allowed for later requests. */
const cardOf = ({ command }: Asked): RequestCard => ({
  askedBy: [{ agent: "build", task: null }],
  directory: "/work",
  subject: `bash: ${command.slice(0, 100)}`,
  always: command.startsWith("rm") ? null : { scope: command, label: "this command" },
  content: {
    kind: "permission",
    permission: "bash",
    sections: [{ name: "command", format: "command", text: command }]
  }
})

/** An agent that remembers its replies. `ended`: requests whose tool no longer waits. */
const makeAgent = () => {
  const replies: Array<readonly [id: string, reply: RequestReply]> = []
  const ended = new Set<string>()
  const failing = { describe: false }
  const hooks = { replied: Effect.void as Effect.Effect<unknown> }
  const requestOf = (asked: Asked): AgentRequest => ({
    id: asked.id,
    describe: Effect.suspend(() =>
      failing.describe
        ? Effect.fail(new AgentError({ reason: new AgentReason.Unavailable({ message: "It restarts" }) }))
        : Effect.succeed(cardOf(asked))
    ),
    reply: (reply) =>
      Effect.suspend(() => {
        if (ended.has(asked.id)) return Effect.succeed("closed" as const)
        ended.add(asked.id)
        replies.push([asked.id, reply])
        return Effect.as(hooks.replied, "replied" as const)
      })
  })
  return { ended, failing, hooks, replies, requestOf }
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
const idOf = <Table extends "turns" | "requests">(name: string) => name as Id<Table>
const turnId = idOf<"turns">("turn")

/** A store that records its calls. `answer` returns the result of each `open`, counted from 1. */
const makeStore = (onOpen: (call: number) => Effect.Effect<void, ConvexSyncError> = () => Effect.void) =>
  Effect.gen(function* () {
    const answers = yield* Queue.unbounded<ReadonlyArray<AnsweredRequest> | ConvexSyncError>()
    const refused = new Set<string>()
    const opened: Array<Parameters<RequestStore["open"]>[0]> = []
    const known = new Map<string, Answer>()
    const closed: Array<readonly [string, string]> = []
    let calls = 0
    return {
      opened,
      closed,
      /** Requests that cannot be closed. */
      refused,
      /** Answers that the store has when a request is opened. Without a row: an approval covers it. */
      known,
      answers: Stream.mapEffect(Stream.fromQueue(answers), (said) =>
        "operation" in said ? Effect.fail(said) : Effect.succeed(said)
      ),
      fail: (error: ConvexSyncError) => Effect.andThen(Queue.offer(answers, error), TestClock.adjust("5 seconds")),
      open: (request: (typeof opened)[number]) =>
        Effect.suspend(() => onOpen(++calls)).pipe(
          Effect.andThen(Effect.sync(() => opened.push(request))),
          Effect.as({
            requestId:
              known.get(request.opencodeId)?.type === "once" ? null : idOf<"requests">(`row_${request.opencodeId}`),
            answer: known.get(request.opencodeId) ?? null
          })
        ),
      close: (requestId: Id<"requests">, as: string) =>
        Effect.suspend(() => {
          if (refused.has(requestId))
            return Effect.fail(failure(new ConvexSyncReason.FunctionFailed({ message: "It broke" })))
          closed.push([requestId, as])
          return Effect.void
        }),
      say: (opencodeId: string, answer: Answer) =>
        Queue.offer(answers, [
          { requestId: idOf<"requests">(`row_${opencodeId}`), turnId, opencodeId, kind: "permission", answer }
        ])
    }
  })

/** A turn whose requests are served. */
const setUp = Effect.fnUntraced(function* (
  options: RequestsOptions = {},
  onOpen?: (call: number) => Effect.Effect<void, ConvexSyncError>
) {
  const agent = makeAgent()
  const store = yield* makeStore(onOpen)
  const requests: TurnRequests = new Map()
  const { close, open } = yield* makeRequests(store, options, (id) => (id === turnId ? requests : undefined))
  const scope = yield* Scope.make()
  const turn: Parameters<typeof open>[0] = { turnId, requests }
  const ask = (asked: Asked, of = turn) => Scope.provide(open(of, agent.requestOf(asked)), scope)
  // Only fibers are waited for: a few rounds let all of them proceed.
  return {
    agent,
    ask,
    close: (id: string) => close(turn, id),
    scope,
    settle: Effect.repeat(TestClock.adjust(0), { times: 4 }),
    store,
    turn
  }
})

const failure = (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation: "requests:open", reason })
const feedback = (replies: ReadonlyArray<readonly [string, RequestReply]>) =>
  replies.map(([id, reply]) => [id, reply.type, reply.type === "unanswered" ? reply.reason : ""])

describe("requests of a turn", () => {
  it.effect("a request is stored whole, and the answer sent to the agent", () =>
    Effect.gen(function* () {
      const { agent, ask, store, settle } = yield* setUp()
      yield* ask(bash("per_1"))
      yield* settle
      const card = cardOf(bash("per_1"))
      assert.deepStrictEqual(store.opened, [{ ...card, opencodeId: "per_1", timeLimit: 600_000, turnId }])
      assert.deepStrictEqual(agent.replies, [])
      yield* store.say("per_1", { type: "once" })
      yield* settle
      assert.deepStrictEqual(agent.replies, [["per_1", { type: "once" }]])
      assert.deepStrictEqual(store.closed, [["row_per_1", "answered"]])
    })
  )

  it.effect.each(["turn", "session", "always"] as const)("the agent receives once for %s", (type) =>
    Effect.gen(function* () {
      const { agent, ask, store, settle } = yield* setUp()
      yield* ask(bash("per_1"))
      yield* settle
      yield* store.say("per_1", { type })
      yield* settle
      assert.deepStrictEqual(agent.replies, [["per_1", { type: "once" }]])
      assert.deepStrictEqual(store.closed, [["row_per_1", "answered"]])
    })
  )

  it.effect("a request that an approval covers is allowed, and not closed", () =>
    Effect.gen(function* () {
      const { agent, ask, store, settle } = yield* setUp()
      store.known.set("per_1", { type: "once" })
      yield* ask(bash("per_1"))
      yield* settle
      assert.deepStrictEqual(agent.replies, [["per_1", { type: "once" }]])
      assert.deepStrictEqual(store.closed, [])
    })
  )

  it.effect("a request that was answered for an earlier process receives the answer", () =>
    Effect.gen(function* () {
      const { agent, ask, store, settle } = yield* setUp()
      store.known.set("per_1", { type: "reject", message: "no" })
      yield* ask(bash("per_1"))
      yield* settle
      assert.deepStrictEqual(agent.replies, [["per_1", { type: "reject", message: "no" }]])
      assert.deepStrictEqual(store.closed, [["row_per_1", "answered"]])
    })
  )

  it.effect("a request that is reported twice is stored once", () =>
    Effect.gen(function* () {
      const { ask, store, settle } = yield* setUp()
      yield* ask(bash("per_1"))
      yield* ask(bash("per_1"))
      yield* settle
      assert.strictEqual(store.opened.length, 1)
    })
  )

  it.effect("a request that was answered elsewhere is closed", () =>
    Effect.gen(function* () {
      const { agent, ask, close, store, settle } = yield* setUp()
      yield* ask(bash("per_1"))
      yield* settle
      yield* close("per_1")
      yield* settle
      assert.deepStrictEqual([store.closed, agent.replies], [[["row_per_1", "cancelled"]], []])
    })
  )

  it.effect("the agent reads the reason when the time limit ends, and the log names it", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const { agent, ask, store } = yield* setUp({ requestTimeLimit: "5 minutes" })
      yield* ask(bash("per_1"))
      yield* TestClock.adjust("299 seconds")
      assert.deepStrictEqual(agent.replies, [])
      yield* TestClock.adjust("1 second")
      const [id, type, message] = feedback(agent.replies)[0] ?? []
      assert.deepStrictEqual([id, type], ["per_1", "unanswered"])
      assert.match(message ?? "", /^No person answered within 5m/)
      assert.deepStrictEqual(store.closed, [["row_per_1", "expired"]])
      assert.deepStrictEqual(lines, ["Request opened", "Request expired"])
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(String([message].flat()[0])))])))
  })

  it.effect("the time limit also runs while the deployment is unreachable", () =>
    Effect.gen(function* () {
      const { agent, ask, store } = yield* setUp({}, () =>
        Effect.fail(failure(new ConvexSyncReason.Unreachable({ millis: 1 })))
      )
      yield* ask(bash("per_1"))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(agent.replies[0]?.[1].type, "unanswered")
      assert.deepStrictEqual(store.opened, [])
    })
  )

  it.effect("a request is stored when the deployment becomes reachable", () =>
    Effect.gen(function* () {
      const away = failure(new ConvexSyncReason.Unreachable({ millis: 1 }))
      const { agent, ask, store } = yield* setUp({}, (call) => (call < 4 ? Effect.fail(away) : Effect.void))
      yield* ask(bash("per_1"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(store.opened.length, 1)
      assert.deepStrictEqual(agent.replies, [])
    })
  )

  it.effect("the agent reads the reason when the deployment refuses the request", () =>
    Effect.gen(function* () {
      const refused = failure(new ConvexSyncReason.Rejected({ code: "InvalidArgument", message: "no", data: null }))
      const { agent, ask, settle } = yield* setUp({}, () => Effect.fail(refused))
      yield* ask(bash("per_1"))
      yield* settle
      assert.match(feedback(agent.replies)[0]?.[2] ?? "", /^This request could not be shown/)
    })
  )

  it.effect("no reply is sent under a lost lease", () =>
    Effect.gen(function* () {
      const fenced = failure(new ConvexSyncReason.Rejected({ code: "Fenced", message: "no", data: null }))
      const { agent, ask } = yield* setUp({ requestTimeLimit: "1 hour" }, () => Effect.fail(fenced))
      yield* ask(bash("per_1"))
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(agent.replies, [])
    })
  )

  it.effect("a reply that the agent no longer waits for is closed as cancelled", () =>
    Effect.gen(function* () {
      const { agent, ask, store, settle } = yield* setUp()
      yield* ask(bash("per_1"))
      yield* settle
      agent.ended.add("per_1")
      yield* store.say("per_1", { type: "reject", message: "no" })
      yield* settle
      assert.deepStrictEqual([store.closed, agent.replies], [[["row_per_1", "cancelled"]], []])
    })
  )

  it.effect.each([
    ["three hours later", "24 hours", {}, 24 * 3_600_000],
    ["three hours later, without a time limit", Duration.infinity, {}, null],
    ["three hours later, with the time limit of its prompt", "10 minutes", { askTimeout: null }, null]
  ] as const)("a question can be answered %s", ([, requestTimeLimit, ofPrompt, timeLimit]) =>
    Effect.gen(function* () {
      const { agent, ask, settle, store, turn } = yield* setUp({ requestTimeLimit })
      yield* ask(bash("per_1"), { ...turn, ...ofPrompt })
      yield* settle
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(agent.replies, [])
      yield* store.say("per_1", { type: "once" })
      yield* settle
      assert.deepStrictEqual(agent.replies, [["per_1", { type: "once" }]])
      assert.deepStrictEqual(
        store.opened.map((opened) => opened.timeLimit),
        [timeLimit]
      )
    })
  )

  it.effect("the end of the turn sends no reply", () =>
    Effect.gen(function* () {
      const { agent, ask, scope, store, settle } = yield* setUp()
      yield* ask(bash("per_1"))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      // The deployment closes the request with the turn, in one transaction.
      assert.deepStrictEqual([store.closed, agent.replies], [[], []])
    })
  )

  it.effect("an answer that ends the turn is closed as answered", () =>
    Effect.gen(function* () {
      const { agent, ask, scope, store, settle } = yield* setUp()
      yield* ask(bash("per_1"))
      yield* settle
      const gate = yield* Deferred.make<void>()
      agent.hooks.replied = Effect.andThen(Scope.close(scope, Exit.void), Deferred.done(gate, Exit.void))
      yield* store.say("per_1", { type: "reject" })
      yield* settle
      yield* Deferred.await(gate)
      yield* settle
      assert.deepStrictEqual(store.closed, [["row_per_1", "answered"]])
    })
  )

  it.effect("an answer to an unknown request is closed", () =>
    Effect.gen(function* () {
      const { store, settle } = yield* setUp()
      yield* store.say("per_old", { type: "once" })
      yield* settle
      assert.deepStrictEqual(store.closed, [["row_per_old", "cancelled"]])
    })
  )

  it.effect("answers continue after a failed close and a failed subscription", () =>
    Effect.gen(function* () {
      const { agent, ask, settle, store } = yield* setUp()
      store.refused.add("row_per_gone")
      yield* store.say("per_gone", { type: "once" })
      yield* store.fail(failure(new ConvexSyncReason.FunctionFailed({ message: "It read too much" })))
      yield* ask(bash("per_1"))
      yield* settle
      yield* store.say("per_1", { type: "once" })
      yield* settle
      assert.deepStrictEqual(feedback(agent.replies), [["per_1", "once", ""]])
      assert.deepStrictEqual(store.closed, [["row_per_1", "answered"]])
    })
  )

  it.effect("a request that is too large is not stored, and the agent reads the reason", () =>
    Effect.gen(function* () {
      const { agent, ask, store, settle } = yield* setUp()
      yield* ask(bash("per_1", "x".repeat(1_000_000)))
      yield* ask(bash("per_2", "x".repeat(999_000)))
      yield* settle
      assert.match(feedback(agent.replies)[0]?.[2] ?? "", /^This request has 100\d{4} characters; at most 1000000/)
      assert.deepStrictEqual(
        store.opened.map(({ opencodeId }) => opencodeId),
        ["per_2"]
      )
    })
  )

  it.effect("the agent reads the reason when its request cannot be described", () =>
    Effect.gen(function* () {
      const { agent, ask, store } = yield* setUp()
      agent.failing.describe = true
      yield* ask(bash("per_1"))
      yield* TestClock.adjust("5 seconds")
      assert.match(feedback(agent.replies)[0]?.[2] ?? "", /^This request could not be shown/)
      assert.deepStrictEqual(store.opened, [])
    })
  )
})
