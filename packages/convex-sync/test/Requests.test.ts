import { assert, describe, it, layer } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { Deferred, Effect, Exit, Layer, Queue, Schedule, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  api,
  type Answer,
  type AnsweredRequest,
  type Asked,
  ConvexSyncError,
  Lease,
  type OpenCodePort,
  type Reply,
  type RequestCard,
  type RequestEvent,
  Requests,
  type RequestsOptions,
  type StorePort
} from "../src/index.ts"
import { ConvexClient, ConvexClientReason } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair } from "./support/deployment.ts"

const bash = (id: string, sessionID = "ses_root", command = "touch a.txt"): Asked => ({
  kind: "permission",
  request: { id, sessionID, permission: "bash", patterns: [command] }
})
const question = (id: string, text = "Which colour?"): Asked => ({
  kind: "question",
  request: { id, sessionID: "ses_root", questions: [{ question: text }, { question: "And why?" }] }
})

/** The first pattern is all that there is to see; `rm` cannot be allowed for later requests. */
const cardOf = ({ kind, request }: Asked): RequestCard => {
  const common = { askedBy: [{ agent: "build", task: null }], directory: "/work" }
  if (kind === "question") {
    const options = [{ label: "Blue", description: "Like the sky" }]
    const questions = request.questions.map((each) => ({
      question: each.question,
      header: "",
      options,
      multiple: false,
      custom: true
    }))
    return { ...common, subject: "question", always: null, content: { kind: "question", questions } }
  }
  const [command = ""] = request.patterns
  const sections = [{ name: "command", format: "command" as const, text: command }]
  return {
    ...common,
    subject: `bash: ${command.slice(0, 100)}`,
    always: command.startsWith("rm") ? null : { scope: command, label: "this command" },
    content: { kind: "permission", permission: "bash", sections }
  }
}

/**
 * OpenCode as far as requests go: it lists what was asked and not answered, also when its tool was aborted, and
 * rejecting anything of a session rejects all that the session waits for.
 */
const makeOpenCode = Effect.gen(function* () {
  const events = yield* Queue.unbounded<RequestEvent>()
  const listed = new Map<string, { readonly asked: Asked; waiting: boolean }>()
  const answered: Array<readonly [id: string, answer: Reply]> = []
  const port: OpenCodePort = {
    events: Stream.fromQueue(events),
    pending: Effect.sync(() => Array.from(listed.values(), ({ asked }) => asked)),
    parentOf: (sessionId) => Effect.succeed(sessionId === "ses_child" ? "ses_root" : undefined),
    describe: (asked) => Effect.sync(() => cardOf(asked)),
    isWaiting: ({ request }) => Effect.sync(() => listed.get(request.id)?.waiting ?? false),
    answer: (asked, answer) =>
      Effect.sync(() => {
        if (!listed.delete(asked.request.id)) return false
        answered.push([asked.request.id, answer])
        if (answer.type !== "reject") return true
        for (const [id, other] of listed) {
          if (other.asked.request.sessionID !== asked.request.sessionID) continue
          listed.delete(id)
          answered.push([id, { type: "reject" }])
        }
        return true
      })
  }
  return {
    port,
    answered,
    listed,
    /** Asks, and says so unless the event is lost. */
    ask: (asked: Asked, { lost = false } = {}) =>
      Effect.suspend(() => {
        listed.set(asked.request.id, { asked, waiting: true })
        return lost ? Effect.void : Effect.asVoid(Queue.offer(events, { _tag: "Asked", asked }))
      }),
    abort: Effect.sync(() => {
      for (const entry of listed.values()) entry.waiting = false
    }),
    say: (event: RequestEvent) => Queue.offer(events, event)
  }
})

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
const idOf = <Table extends "turns" | "requests">(name: string) => name as Id<Table>
const turnId = idOf<"turns">("turn")

/** A store that remembers. `answer` decides what becomes of each `open`, counted from 1. */
const makeStore = (onOpen: (call: number) => Effect.Effect<void, ConvexSyncError> = () => Effect.void) =>
  Effect.gen(function* () {
    const answers = yield* Queue.unbounded<ReadonlyArray<AnsweredRequest> | ConvexSyncError>()
    const refused = new Set<string>()
    const opened: Array<Parameters<StorePort["open"]>[0]> = []
    const uses: Array<readonly [string, string]> = []
    const closed: Array<readonly [string, string]> = []
    let calls = 0
    return {
      opened,
      closed,
      uses,
      /** What cannot be closed. */
      refused,
      answers: Stream.mapEffect(Stream.fromQueue(answers), (said) =>
        "operation" in said ? Effect.fail(said) : Effect.succeed(said)
      ),
      fail: (error: ConvexSyncError) => Effect.andThen(Queue.offer(answers, error), TestClock.adjust("5 seconds")),
      open: (request: (typeof opened)[number]) =>
        Effect.suspend(() => onOpen(++calls)).pipe(
          Effect.andThen(Effect.sync(() => opened.push(request))),
          Effect.as(idOf<"requests">(`row_${request.opencodeId}`))
        ),
      close: (requestId: Id<"requests">, as: string) =>
        Effect.suspend(() => {
          if (refused.has(requestId))
            return Effect.fail(failure(new ConvexClientReason.FunctionFailed({ message: "It broke" })))
          closed.push([requestId, as])
          return Effect.void
        }),
      applied: ({ requestId, subject }: Parameters<StorePort["applied"]>[0]) =>
        Effect.sync(() => uses.push([requestId, subject])),
      say: (opencodeId: string, answer: Answer) =>
        Queue.offer(answers, [
          { requestId: idOf<"requests">(`row_${opencodeId}`), turnId, opencodeId, kind: "permission", answer }
        ])
    }
  })

/** A broker that follows a turn. */
const setUp = Effect.fnUntraced(function* (
  options?: RequestsOptions,
  onOpen?: (call: number) => Effect.Effect<void, ConvexSyncError>
) {
  const opencode = yield* makeOpenCode
  const store = yield* makeStore(onOpen)
  const { follow } = yield* Requests.make(opencode.port, store, options)
  const turn = yield* Scope.make()
  yield* Scope.provide(follow({ turnId, opencodeSessionId: "ses_root" }), turn)
  // Nothing here waits for anything but other fibers: a few rounds let all of them get on.
  return { opencode, store, follow, turn, settle: Effect.repeat(TestClock.adjust(0), { times: 4 }) }
})

const failure = (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation: "requests:open", reason })
const feedback = (answered: ReadonlyArray<readonly [string, Reply]>) =>
  answered.map(([id, answer]) => [id, answer.type, answer.type === "reject" ? (answer.message ?? "") : ""])

describe("Requests", () => {
  it.effect("brings what is asked to the store, whole, and the answer to OpenCode", () =>
    Effect.gen(function* () {
      const { opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1"))
      yield* settle
      const { always: _, ...card } = cardOf(bash("per_1"))
      const always = { label: "this command" }
      assert.deepStrictEqual(store.opened, [{ ...card, always, opencodeId: "per_1", timeLimit: 600_000, turnId }])
      assert.deepStrictEqual(opencode.answered, [])
      yield* store.say("per_1", { type: "once" })
      yield* settle
      assert.deepStrictEqual(opencode.answered, [["per_1", { type: "once" }]])
      assert.deepStrictEqual(store.closed, [["row_per_1", "answered"]])
    })
  )

  it.effect("replies once to what was allowed always, and to later requests of the same scope", () =>
    Effect.gen(function* () {
      const { opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1"))
      yield* settle
      yield* store.say("per_1", { type: "always" })
      yield* settle
      yield* opencode.ask(bash("per_2"))
      yield* opencode.ask(bash("per_child", "ses_child"))
      yield* opencode.ask(bash("per_other", "ses_root", "touch b.txt"))
      yield* settle
      assert.deepStrictEqual(feedback(opencode.answered), [
        ["per_1", "once", ""],
        ["per_2", "once", ""],
        ["per_child", "once", ""]
      ])
      assert.deepStrictEqual(
        store.opened.map(({ opencodeId }) => opencodeId),
        ["per_1", "per_other"]
      )
      assert.deepStrictEqual(store.uses, [
        ["row_per_1", "bash: touch a.txt"],
        ["row_per_1", "bash: touch a.txt"]
      ])
    })
  )

  it.effect("an approval for later requests covers what is shown already, and ends with the conversation", () =>
    Effect.gen(function* () {
      const { follow, opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1"))
      yield* opencode.ask(bash("per_2"))
      yield* opencode.ask(bash("per_3", "ses_root", "touch b.txt"))
      yield* settle
      yield* store.say("per_1", { type: "always" })
      yield* settle
      assert.deepStrictEqual(feedback(opencode.answered), [
        ["per_1", "once", ""],
        ["per_2", "once", ""]
      ])
      assert.deepStrictEqual(store.closed, [
        ["row_per_1", "answered"],
        ["row_per_2", "cancelled"]
      ])
      yield* follow({ turnId, opencodeSessionId: "ses_other" })
      yield* opencode.ask(bash("per_4", "ses_other"))
      yield* settle
      assert.strictEqual(store.opened.at(-1)?.opencodeId, "per_4")
      assert.strictEqual(opencode.answered.length, 2)
    })
  )

  it.effect("what cannot be described covers nothing, whatever was answered", () =>
    Effect.gen(function* () {
      const { opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1", "ses_root", "rm a.txt"))
      yield* settle
      yield* store.say("per_1", { type: "always" })
      yield* settle
      yield* opencode.ask(bash("per_2", "ses_root", "rm a.txt"))
      yield* settle
      assert.deepStrictEqual(feedback(opencode.answered), [["per_1", "once", ""]])
      assert.strictEqual(store.opened.length, 2)
    })
  )

  it.effect("what a sub-agent asks is the turn's; what another session asks is not touched", () =>
    Effect.gen(function* () {
      const { opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_child", "ses_child"))
      yield* opencode.ask(bash("per_foreign", "ses_foreign"))
      yield* settle
      assert.deepStrictEqual(
        store.opened.map(({ opencodeId }) => opencodeId),
        ["per_child"]
      )
    })
  )

  it.effect("is shown once, however often it is told", () =>
    Effect.gen(function* () {
      const { opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1"))
      yield* opencode.ask(bash("per_1"))
      yield* opencode.say({ _tag: "Gap" })
      yield* settle
      assert.strictEqual(store.opened.length, 1)
    })
  )

  it.effect("after a gap what was missed is found, and what was answered meanwhile is closed", () =>
    Effect.gen(function* () {
      const { opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_seen"))
      yield* settle
      yield* opencode.ask(bash("per_missed"), { lost: true })
      opencode.listed.delete("per_seen")
      yield* opencode.say({ _tag: "Gap" })
      yield* settle
      assert.deepStrictEqual(
        store.opened.map(({ opencodeId }) => opencodeId),
        ["per_seen", "per_missed"]
      )
      assert.deepStrictEqual(store.closed, [["row_per_seen", "cancelled"]])
    })
  )

  it.effect("answered at OpenCode's own terminal, it is closed", () =>
    Effect.gen(function* () {
      const { opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1"))
      yield* settle
      yield* opencode.say({ _tag: "Replied", id: "per_1" })
      yield* settle
      assert.deepStrictEqual([store.closed, opencode.answered], [[["row_per_1", "cancelled"]], []])
    })
  )

  it.effect("not answered in time, a permission is rejected with the reason, so that the agent goes on", () =>
    Effect.gen(function* () {
      const { opencode, store } = yield* setUp({ timeLimit: "5 minutes" })
      yield* opencode.ask(bash("per_1"))
      yield* TestClock.adjust("299 seconds")
      assert.deepStrictEqual(opencode.answered, [])
      yield* TestClock.adjust("1 second")
      const [id, type, message] = feedback(opencode.answered)[0] ?? []
      assert.deepStrictEqual([id, type], ["per_1", "reject"])
      assert.match(message ?? "", /^No person answered within 5m/)
      assert.deepStrictEqual(store.closed, [["row_per_1", "expired"]])
    })
  )

  it.effect("not answered in time, each question is answered with the reason", () =>
    Effect.gen(function* () {
      const { opencode } = yield* setUp()
      yield* opencode.ask(question("que_1"))
      yield* TestClock.adjust("10 minutes")
      const answer = opencode.answered[0]?.[1]
      assert.strictEqual(answer?.type === "answers" ? answer.answers.length : 0, 2)
    })
  )

  it.effect("the time runs also while the deployment is away", () =>
    Effect.gen(function* () {
      const { opencode, store } = yield* setUp({}, () =>
        Effect.fail(failure(new ConvexClientReason.Unreachable({ millis: 1 })))
      )
      yield* opencode.ask(bash("per_1"))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(opencode.answered[0]?.[1].type, "reject")
      assert.deepStrictEqual(store.opened, [])
    })
  )

  it.effect("what the deployment was too far away to show is shown when it returns", () =>
    Effect.gen(function* () {
      const away = failure(new ConvexClientReason.Unreachable({ millis: 1 }))
      const { opencode, store } = yield* setUp({}, (call) => (call < 4 ? Effect.fail(away) : Effect.void))
      yield* opencode.ask(bash("per_1"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(store.opened.length, 1)
      assert.deepStrictEqual(opencode.answered, [])
    })
  )

  it.effect("what the deployment refuses to show is rejected with the reason", () =>
    Effect.gen(function* () {
      const refused = failure(new ConvexClientReason.Rejected({ code: "InvalidArgument", message: "no", data: null }))
      const { opencode, settle } = yield* setUp({}, () => Effect.fail(refused))
      yield* opencode.ask(bash("per_1"))
      yield* settle
      assert.match(feedback(opencode.answered)[0]?.[2] ?? "", /^This request could not be shown/)
    })
  )

  it.effect("under a lost lease nothing is answered any more", () =>
    Effect.gen(function* () {
      const fenced = failure(new ConvexClientReason.Rejected({ code: "Fenced", message: "no", data: null }))
      const { opencode } = yield* setUp({ timeLimit: "1 hour" }, () => Effect.fail(fenced))
      yield* opencode.ask(bash("per_1"))
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(opencode.answered, [])
    })
  )

  it.effect("what nobody waits for any more is never rejected: that would reject what still waits", () =>
    Effect.gen(function* () {
      const { opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_dead"))
      yield* settle
      yield* opencode.abort
      yield* opencode.ask(bash("per_live"))
      yield* settle
      yield* store.say("per_dead", { type: "reject", message: "no" })
      yield* settle
      assert.deepStrictEqual(feedback(opencode.answered), [["per_dead", "once", ""]])
      assert.deepStrictEqual(store.closed, [["row_per_dead", "cancelled"]])
      assert.isTrue(opencode.listed.has("per_live"))
    })
  )

  it.effect("the end of an aborted turn closes what it asked, and takes it off OpenCode's list", () =>
    Effect.gen(function* () {
      const { opencode, store, turn, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1"))
      yield* opencode.ask(bash("per_2", "ses_child"))
      yield* settle
      yield* opencode.abort
      yield* Scope.close(turn, Exit.void)
      assert.sameDeepMembers(store.closed, [
        ["row_per_1", "cancelled"],
        ["row_per_2", "cancelled"]
      ])
      assert.sameDeepMembers(feedback(opencode.answered), [
        ["per_1", "once", ""],
        ["per_2", "once", ""]
      ])
      yield* opencode.ask(bash("per_3"))
      yield* settle
      assert.strictEqual(store.opened.length, 2)
    })
  )

  it.effect("a turn that is left while it waits gets no answer from here", () =>
    Effect.gen(function* () {
      const { opencode, store, turn, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1"))
      yield* settle
      yield* Scope.close(turn, Exit.void)
      assert.deepStrictEqual([store.closed, opencode.answered], [[["row_per_1", "cancelled"]], []])
    })
  )

  it.effect("an answer that ends the turn is closed as answered all the same", () =>
    Effect.gen(function* () {
      const { opencode, store, turn, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1"))
      yield* settle
      const gate = yield* Deferred.make<void>()
      const { answer } = opencode.port
      Object.assign(opencode.port, {
        answer: (asked: Asked, said: Reply) =>
          answer(asked, said).pipe(
            Effect.tap(() => Effect.andThen(Scope.close(turn, Exit.void), Deferred.done(gate, Exit.void)))
          )
      })
      yield* store.say("per_1", { type: "reject" })
      yield* settle
      yield* Deferred.await(gate)
      yield* settle
      assert.deepStrictEqual(store.closed, [["row_per_1", "answered"]])
    })
  )

  it.effect("an answer to what is not asked any more is closed", () =>
    Effect.gen(function* () {
      const { store, settle } = yield* setUp()
      yield* store.say("per_old", { type: "once" })
      yield* settle
      assert.deepStrictEqual(store.closed, [["row_per_old", "cancelled"]])
    })
  )

  it.effect("answers go on to come after one that could not be closed, and after their subscription failed", () =>
    Effect.gen(function* () {
      const { opencode, settle, store } = yield* setUp()
      store.refused.add("row_per_gone")
      yield* store.say("per_gone", { type: "once" })
      yield* store.fail(failure(new ConvexClientReason.FunctionFailed({ message: "It read too much" })))
      yield* opencode.ask(bash("per_1"))
      yield* settle
      yield* store.say("per_1", { type: "once" })
      yield* settle
      assert.deepStrictEqual(feedback(opencode.answered), [["per_1", "once", ""]])
      assert.deepStrictEqual(store.closed, [["row_per_1", "answered"]])
    })
  )

  it.effect("what is larger than the deployment stores is rejected with the reason, and never shown in part", () =>
    Effect.gen(function* () {
      const { opencode, store, settle } = yield* setUp()
      yield* opencode.ask(bash("per_1", "ses_root", "x".repeat(1_000_000)))
      yield* opencode.ask(bash("per_2", "ses_root", "x".repeat(999_000)))
      yield* settle
      assert.match(feedback(opencode.answered)[0]?.[2] ?? "", /^This request has 100\d{4} characters; at most 1000000/)
      assert.deepStrictEqual(
        store.opened.map(({ opencodeId }) => opencodeId),
        ["per_2"]
      )
    })
  )

  it.effect("what cannot be described at all is rejected with the reason", () =>
    Effect.gen(function* () {
      const { opencode, store } = yield* setUp()
      Object.assign(opencode.port, {
        describe: () => Effect.fail(failure(new ConvexClientReason.Unreachable({ millis: 1 })))
      })
      yield* opencode.ask(bash("per_1"))
      yield* TestClock.adjust("5 seconds")
      assert.match(feedback(opencode.answered)[0]?.[2] ?? "", /^This request could not be shown/)
      assert.deepStrictEqual(store.opened, [])
    })
  )
})

layer(Deployment.layer, { excludeTestServices: true })("Requests over a deployment", (test) => {
  test.effect("a permission travels to its operator and back", () =>
    Effect.gen(function* () {
      const operator = yield* connection("ann")
      const credentials = yield* pair(operator)
      const { workerId } = credentials
      const sessionId = yield* operator.mutation(api.sessions.create, { workerId, idempotencyKey: "s" })
      const asked = yield* operator.mutation(api.turns.send, { sessionId, text: "Hi", idempotencyKey: "1" })
      const opencode = yield* makeOpenCode
      yield* Effect.gen(function* () {
        const { mutation } = yield* Lease
        yield* mutation(api.queue.claim, { turnId: asked, messageId: "msg_1", partId: "prt_1" })
        const { follow } = yield* Requests
        yield* follow({ turnId: asked, opencodeSessionId: "ses_root" })
        yield* opencode.ask(bash("per_1"))
        const [shown] = yield* operator.subscribe(api.requests.pending, { sessionId }).pipe(
          Stream.filter((requests) => requests.length === 1),
          Stream.take(1),
          Stream.flattenIterable,
          Stream.runCollect
        )
        assert.strictEqual(shown?.subject, "bash: touch a.txt")
        if (shown === undefined) return
        yield* operator.mutation(api.requests.answer, { requestId: shown.requestId, answer: { type: "once" } })
        yield* Effect.suspend(() => (opencode.answered.length === 1 ? Effect.void : Effect.fail("not yet"))).pipe(
          Effect.retry(Schedule.spaced("10 millis")),
          Effect.timeout("10 seconds")
        )
        assert.deepStrictEqual(opencode.answered, [["per_1", { type: "once" }]])
      }).pipe(
        Effect.provide(
          Requests.layer(opencode.port).pipe(Layer.provideMerge(Lease.layer(credentials, { processId: "p" })))
        ),
        Effect.scoped,
        Effect.provideService(ConvexClient, operator)
      )
    })
  )
})
