import { afterEach, assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import {
  enlist,
  eventually,
  ids,
  newSession,
  permission,
  refusalOf,
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
    open: (change: Partial<Omit<typeof permission, "kind">> & { kind?: "question" } = {}) =>
      operator.mutation(api.requests.open, { ...worker, turnId, ...permission, ...change }),
    pending: async () => (await operator.query(api.requests.pending, {})).map(({ requestId }) => requestId),
    answers: (as: Signature = worker) => operator.query(api.requests.answers, { ...as, limit: 20 }),
    finish: () => operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts: [] })
  }
}

describe("requests", () => {
  it("are shown to the operator, answered by them, and taken by the worker, each once", async () => {
    const { operator, worker, sessionId, turnId, open, pending, answers } = await setUp()
    const requestId = await open()
    assert.strictEqual(await open(), requestId)
    const [shown] = await operator.query(api.requests.pending, { sessionId })
    assert.deepNestedInclude(shown, { requestId, turnId, kind: "permission", status: "pending", answer: null })
    assert.strictEqual(shown?.payload, permission.payload)
    assert.deepStrictEqual(await answers(), [])

    const answer = { type: "once" as const }
    await operator.mutation(api.requests.answer, { requestId, answer })
    await operator.mutation(api.requests.answer, { requestId, answer })
    assert.deepStrictEqual(await pending(), [])
    assert.deepStrictEqual(await answers(), [
      { requestId, turnId, opencodeId: "per_1", kind: "permission", answer: { type: "once" } }
    ])
    const close = () => operator.mutation(api.requests.close, { ...worker, requestId, as: "answered" })
    await close()
    await close()
    assert.deepStrictEqual(await answers(), [])
  })

  it("the first answer stands", async () => {
    const { operator, open, answers } = await setUp()
    const requestId = await open()
    await operator.mutation(api.requests.answer, { requestId, answer: { type: "reject", message: "Not there" } })
    const second = operator.mutation(api.requests.answer, { requestId, answer: { type: "always" } })
    assert.strictEqual(await refusalOf(second), "Conflict")
    assert.deepNestedInclude((await answers())[0], { answer: { type: "reject", message: "Not there" } })
  })

  it("a question takes answers or is dismissed, a permission does not, and the other way round", async () => {
    const { operator, open, answers } = await setUp()
    const permissionId = await open()
    const questionId = await open({ opencodeId: "que_1", kind: "question" })
    const wrong = [
      operator.mutation(api.requests.answer, { requestId: permissionId, answer: { type: "dismiss" } }),
      operator.mutation(api.requests.answer, { requestId: questionId, answer: { type: "once" } })
    ]
    assert.deepStrictEqual(await Promise.all(wrong.map(refusalOf)), ["InvalidArgument", "InvalidArgument"])
    const answer = { type: "answers" as const, answers: [["Blue"], ["a", "b"]] }
    await operator.mutation(api.requests.answer, { requestId: questionId, answer })
    assert.deepStrictEqual(
      (await answers()).map((row) => row.answer),
      [answer]
    )
  })

  it("end with their turn, also those whose answer was not passed on yet", async () => {
    const { operator, open, pending, answers, finish } = await setUp()
    await open()
    const answered = await open({ opencodeId: "per_2" })
    await operator.mutation(api.requests.answer, { requestId: answered, answer: { type: "once" } })
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
    const late = operator.mutation(api.requests.answer, { requestId, answer: { type: "once" } })
    assert.strictEqual(await refusalOf(late), "Conflict")
  })

  it("cannot be answered when their time is over, and expire even if the worker died", async () => {
    const { operator, open, pending } = await setUp()
    const requestId = await open()
    passSeconds(60)
    const late = operator.mutation(api.requests.answer, { requestId, answer: { type: "once" } })
    assert.strictEqual(await refusalOf(late), "Expired")
    passSeconds(60)
    // A new scheduled function makes the deployment look at those that are due.
    await enlist(operator)
    await eventually(pending, (requests) => requests.length === 0)
    assert.strictEqual(
      await refusalOf(operator.mutation(api.requests.answer, { requestId, answer: { type: "once" } })),
      "Expired"
    )
  })

  it("of a turn are bounded in number", async () => {
    const { open } = await setUp()
    const answers = await Promise.all(
      Array.from({ length: 101 }, (_, index) => refusalOf(open({ opencodeId: `per_${index}` })))
    )
    assert.deepStrictEqual(
      answers.filter((answer) => typeof answer === "string"),
      ["InvalidArgument"]
    )
  })

  it("refuse over-long input, naming the field", async () => {
    const { operator, open } = await setUp()
    const long = "x".repeat(501)
    const requestId = await open()
    const questionId = await open({ opencodeId: "que_1", kind: "question" })
    const many = Array.from({ length: 4_000 }, () => ["xx"])
    const refusals = [
      open({ opencodeId: long }),
      open({ opencodeId: "a", subject: long }),
      open({ opencodeId: "a", payload: "x".repeat(50_001) }),
      open({ opencodeId: "a", timeLimit: 999 }),
      open({ opencodeId: "a", timeLimit: Number.NaN }),
      operator.mutation(api.requests.answer, { requestId, answer: { type: "reject", message: "x".repeat(4_001) } }),
      operator.mutation(api.requests.answer, { requestId: questionId, answer: { type: "answers", answers: many } })
    ]
    assert.deepStrictEqual(new Set(await Promise.all(refusals.map(refusalOf))), new Set(["InvalidArgument"]))
  })
})
