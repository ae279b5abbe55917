import { afterEach, assert, describe, it } from "vitest"
import type { FunctionArgs } from "convex/server"
import { ConvexError } from "convex/values"
import { api, type Id } from "../src/api.ts"
import {
  answerRequest,
  enlist,
  eventually,
  ids,
  newSession,
  openRequest,
  permission,
  question,
  refusalOf,
  type RequestAnswer,
  send,
  type Signature,
  useDeployment
} from "./support/deployment.ts"
import { passTime, resetTime } from "./support/clock.ts"

const deployment = useDeployment()
afterEach(() => {
  resetTime()
})

/** The deployment runs in this process, so its clock is ours. */
const passSeconds = (seconds: number) => {
  passTime(seconds * 1000)
}

/** An operator, and a worker that runs a turn. */
const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  const turnId = await send(operator, sessionId)
  await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
  return {
    operator,
    worker,
    sessionId,
    turnId,
    open: (change: Partial<FunctionArgs<typeof api.requests.open>> = {}) =>
      openRequest(operator, { ...worker, turnId, ...permission, ...change }),
    reopen: (change: Partial<FunctionArgs<typeof api.requests.open>> = {}) =>
      operator.mutation(api.requests.open, { ...worker, turnId, ...permission, ...change }),
    answer: (requestId: Id<"requests">, answer: RequestAnswer) => answerRequest(operator, requestId, answer),
    audit: async () => {
      const paginationOpts = { numItems: 100, cursor: null }
      const { page } = await operator.query(api.workers.audit, { workerId: worker.workerId, paginationOpts })
      return page.flatMap(({ action, detail }) => (detail === null ? [] : [[action, detail]]))
    },
    pending: async () => (await operator.query(api.requests.pending, {})).map(({ requestId }) => requestId),
    answers: (as: Signature = worker) => operator.query(api.requests.answers, { ...as, limit: 20 }),
    finish: () => operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts: [] })
  }
}

/** Content with so many characters as JSON. */
const whole = (length: number) => {
  const [command] = permission.content.sections
  assert.isDefined(command)
  const spent = JSON.stringify({ ...permission.content, sections: [{ ...command, text: "" }] }).length
  return { ...permission.content, sections: [{ ...command, text: "€".repeat(length - spent) }] }
}

describe("requests", () => {
  it("are listed for the operator, answered, and read by the worker, each once", async () => {
    const { operator, worker, sessionId, turnId, open, pending, answers } = await setUp()
    const requestId = await open()
    assert.strictEqual(await open(), requestId)
    const [shown] = await operator.query(api.requests.pending, { sessionId })
    const { askedBy, directory, subject, content } = permission
    const always = { label: permission.always.label }
    const card = { askedBy, directory, always, subject, permission: "bash", size: JSON.stringify(content).length }
    assert.deepInclude(shown, { requestId, turnId, kind: "permission", status: "pending", answer: null, ...card })
    assert.notProperty(shown, "content")
    assert.isDefined(shown)
    assert.match(shown.hash, /^[0-9a-f]{64}$/)
    const position = { index: 1, count: 1 }
    assert.deepStrictEqual(await operator.query(api.requests.get, { requestId }), { ...shown, position, content })
    assert.deepStrictEqual(await answers(), [])

    const answer = { type: "once" as const }
    await answerRequest(operator, requestId, answer)
    await answerRequest(operator, requestId, answer)
    assert.deepStrictEqual(await pending(), [])
    assert.deepStrictEqual(await answers(), [
      { requestId, turnId, opencodeId: "per_1", kind: "permission", answer: { type: "once" } }
    ])
    const close = () => operator.mutation(api.requests.close, { ...worker, requestId, as: "answered" })
    await close()
    await close()
    assert.deepStrictEqual(await answers(), [])
  })

  it("the first answer is final", async () => {
    const { operator, open, answers } = await setUp()
    const requestId = await open()
    await answerRequest(operator, requestId, { type: "reject", message: "Not there" })
    const second = answerRequest(operator, requestId, { type: "always" })
    assert.strictEqual(await refusalOf(second), "Conflict")
    assert.deepNestedInclude((await answers())[0], { answer: { type: "reject", message: "Not there" } })
  })

  it("questions accept answers or a dismissal, permissions a decision", async () => {
    const { operator, open, answers } = await setUp()
    const permissionId = await open()
    const questionId = await open(question)
    const wrong = [
      answerRequest(operator, permissionId, { type: "dismiss" }),
      answerRequest(operator, questionId, { type: "once" })
    ]
    assert.deepStrictEqual(await Promise.all(wrong.map(refusalOf)), ["InvalidArgument", "InvalidArgument"])
    const answer = { type: "answers" as const, answers: [["Blue", "my own words"], ["Slow"]] }
    await answerRequest(operator, questionId, answer)
    assert.deepStrictEqual(
      (await answers()).map((row) => row.answer),
      [answer]
    )
  })

  it("end with their turn, also those with an undelivered answer", async () => {
    const { operator, open, pending, answers, finish } = await setUp()
    await open()
    const answered = await open({ opencodeId: "per_2" })
    await answerRequest(operator, answered, { type: "once" })
    await finish()
    assert.deepStrictEqual(await pending(), [])
    assert.deepStrictEqual(await answers(), [])
    assert.strictEqual(await refusalOf(open({ opencodeId: "per_3" })), "Conflict")
    assert.strictEqual(await open({ opencodeId: "per_2" }), answered)
  })

  it("that were closed cannot be answered", async () => {
    const { operator, worker, open } = await setUp()
    const requestId = await open()
    const close = (as: "answered" | "cancelled") => operator.mutation(api.requests.close, { ...worker, requestId, as })
    assert.strictEqual(await refusalOf(close("answered")), "Conflict")
    await close("cancelled")
    const late = answerRequest(operator, requestId, { type: "once" })
    assert.strictEqual(await refusalOf(late), "Conflict")
  })

  it("cannot be answered after their time limit, and expire even if the worker died", async () => {
    const { operator, open, pending } = await setUp()
    const requestId = await open()
    passSeconds(60)
    const late = answerRequest(operator, requestId, { type: "once" })
    assert.strictEqual(await refusalOf(late), "Expired")
    passSeconds(60)
    // A new scheduled function makes the deployment look at those that are due.
    await enlist(operator)
    await eventually(pending, (requests) => requests.length === 0)
    assert.strictEqual(await refusalOf(answerRequest(operator, requestId, { type: "once" })), "Expired")
  })

  it("may have content of the largest size, which is deleted with their session", async () => {
    const { operator, worker, sessionId, open, finish } = await setUp()
    const content = whole(1_000_000)
    const requestId = await open({ content })
    assert.deepStrictEqual((await operator.query(api.requests.get, { requestId })).content, content)
    const [shown] = await operator.query(api.requests.pending, {})
    assert.strictEqual(shown?.size, 1_000_000)
    await finish()
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "remove" })
    await eventually(
      () => operator.query(api.sessions.get, { sessionId }),
      (session) => session === null
    )
    assert.strictEqual(await refusalOf(operator.query(api.requests.get, { requestId })), "NotFound")
  })

  it("without a scope for later can only be allowed once", async () => {
    const { operator, open, pending } = await setUp()
    const requestId = await open({ always: null })
    const answer = (type: "always" | "once") => answerRequest(operator, requestId, { type })
    assert.strictEqual(await refusalOf(answer("always")), "InvalidArgument")
    assert.deepStrictEqual(await pending(), [requestId])
    await answer("once")
  })

  it("are answered as they were shown, or not at all", async () => {
    const { operator, worker, turnId, open, reopen, answer, pending } = await setUp()
    const requestId = await open()
    const { hash } = await operator.query(api.requests.get, { requestId })
    const other = await open({ opencodeId: "per_2", directory: "/elsewhere" })
    const wrong = operator.mutation(api.requests.answer, { requestId: other, hash, answer: { type: "once" } })
    assert.strictEqual(await refusalOf(wrong), "Conflict")
    // A later process of the worker describes the request again.
    const next = await open({ content: whole(2_000) })
    assert.notStrictEqual(next, requestId)
    assert.deepStrictEqual(await pending(), [other, next])
    const late = operator.mutation(api.requests.answer, { requestId: next, hash, answer: { type: "once" } })
    assert.strictEqual(await refusalOf(late), "Conflict")
    await answer(next, { type: "once" })
    assert.deepStrictEqual(await reopen({ content: whole(2_000) }), { requestId: next, answer: { type: "once" } })
    await operator.mutation(api.requests.close, { ...worker, requestId: next, as: "answered" })
    assert.strictEqual((await operator.query(api.turns.live, { turnId, after: 0 })).status, "claimed")
  })

  it("have a position among those of their turn", async () => {
    const { operator, open, answer } = await setUp()
    const [first, second] = [await open(), await open({ opencodeId: "per_2" })]
    const all = [first, second, await open({ opencodeId: "per_3" })]
    const positions = () =>
      Promise.all(all.map(async (requestId) => (await operator.query(api.requests.get, { requestId })).position))
    assert.deepStrictEqual(await positions(), [
      { index: 1, count: 3 },
      { index: 2, count: 3 },
      { index: 3, count: 3 }
    ])
    await answer(second, { type: "once" })
    assert.deepStrictEqual(await positions(), [{ index: 1, count: 2 }, null, { index: 2, count: 2 }])
  })

  it("without an answer name the reason for which their turn is interrupted", async () => {
    const { operator, worker, turnId, open } = await setUp()
    await open()
    const error = { name: "WorkerStopped", message: "The worker stopped" }
    await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "interrupted", error, parts: [] })
    const live = await operator.query(api.turns.live, { turnId, after: 0 })
    assert.strictEqual(live.error?.name, "AskedNotAnswered")
    assert.include(live.error?.message, "bash: touch a.txt")
    const again = await operator.mutation(api.turns.resend, { turnId, idempotencyKey: "again" })
    assert.strictEqual((await operator.query(api.turns.live, { turnId: again, after: 0 })).status, "queued")
  })

  it("take the time limit of their prompt", async () => {
    const { operator, worker } = await setUp()
    const sendWith = async (askTimeout: number | null) => {
      const sessionId = await newSession(operator, worker.workerId)
      return operator.mutation(api.turns.send, { sessionId, text: "Hi", askTimeout, idempotencyKey: "k" })
    }
    const turns = [await sendWith(null), await sendWith(3_600_000)]
    assert.strictEqual(await refusalOf(sendWith(10)), "InvalidArgument")
    assert.strictEqual(await refusalOf(sendWith(21 * 24 * 3_600_000)), "InvalidArgument")
    const ready = await operator.query(api.queue.listReady, { ...worker, limit: 20 })
    assert.deepStrictEqual(
      ready.map((turn) => [turn.turnId, turn.askTimeout]),
      [
        [turns[0], null],
        [turns[1], 3_600_000]
      ]
    )
  })

  it("without a time limit wait until their turn ends", async () => {
    const { operator, open, pending, finish } = await setUp()
    const requestId = await open({ timeLimit: null })
    assert.isNull((await operator.query(api.requests.get, { requestId })).expiresAt)
    passSeconds(40 * 24 * 3_600)
    await enlist(operator)
    assert.deepStrictEqual(await pending(), [requestId])
    await finish()
    assert.deepStrictEqual(await pending(), [])
  })

  it.each([
    ["too few answers", [["Blue"]], "answer.answers has 1 entries; there are 2 questions"],
    ["an answer without a choice", [[], ["Fast"]], "answer.answers[0] is empty"],
    ["an empty answer", [["Blue"], [" "]], "answer.answers[1] is empty"],
    ["an option that there is not", [["Blue"], ["Medium"]], 'has "Medium"; the options are "Fast", "Slow"'],
    ["two options where one is taken", [["Blue"], ["Fast", "Slow"]], "answer.answers[1] has 2 options"],
    ["an option twice", [["Blue", "Blue"], ["Fast"]], "answer.answers[0] has the same option twice"]
  ])("a question rejects %s", async (_, answers, message) => {
    const { operator, open, pending } = await setUp()
    const requestId = await open(question)
    const refused: unknown = await answerRequest(operator, requestId, { type: "answers", answers }).catch(
      (error: unknown) => error
    )
    assert.instanceOf(refused, ConvexError)
    assert.include(refused.data, { code: "InvalidArgument" })
    assert.include(refused.data.message, message)
    assert.deepStrictEqual(await pending(), [requestId])
  })

  it("of a turn are limited in number", async () => {
    const { open } = await setUp()
    const answers = await Promise.all(
      Array.from({ length: 101 }, (_, index) => refusalOf(open({ opencodeId: `per_${index}` })))
    )
    assert.deepStrictEqual(
      answers.filter((answer) => typeof answer === "string"),
      ["InvalidArgument"]
    )
  })

  it("reject over-long input and name the field", async () => {
    const { operator, open } = await setUp()
    const long = "x".repeat(501)
    const requestId = await open()
    const questionId = await open(question)
    const many = Array.from({ length: 4_000 }, () => ["xx"])
    const refusals = [
      open({ opencodeId: long }),
      open({ opencodeId: "a", subject: long }),
      open({ opencodeId: "a", content: whole(1_000_001) }),
      open({ opencodeId: "a", directory: "x".repeat(4_097) }),
      open({ opencodeId: "a", askedBy: Array.from({ length: 11 }, () => ({ agent: "a", task: null })) }),
      open({ opencodeId: "a", askedBy: [{ agent: "a", task: long }] }),
      open({ opencodeId: "a", always: { scope: "s", label: "x".repeat(4_097) } }),
      open({ opencodeId: "a", always: { scope: long, label: "this" } }),
      open({ ...question, opencodeId: "a", always: { scope: "s", label: "this" } }),
      open({ opencodeId: "a", content: { kind: "question", questions: [] } }),
      open({ opencodeId: "a", timeLimit: 999 }),
      open({ opencodeId: "a", timeLimit: Number.NaN }),
      answerRequest(operator, requestId, { type: "reject", message: "x".repeat(4_001) }),
      answerRequest(operator, questionId, { type: "answers", answers: many })
    ]
    assert.deepStrictEqual(new Set(await Promise.all(refusals.map(refusalOf))), new Set(["InvalidArgument"]))
  })
})
