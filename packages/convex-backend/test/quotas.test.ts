/** What an operator may write in 10 minutes, with a hundredth of the limits: 60 calls, 200 rows, 1 MB. */
import { randomUUID } from "node:crypto"
import { ConvexError } from "convex/values"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { passTime, resetTime } from "./support/clock.ts"
import { enlist, newSession, send, uploaded, useDeployment } from "./support/deployment.ts"
import { newDevice } from "./support/device.ts"

const deployment = useDeployment()
const variable = "OPENCODE_WORKER_QUOTA"
beforeEach(() => {
  process.env[variable] = "0.01"
})
afterEach(() => {
  delete process.env[variable]
  resetTime()
})

const refusal = async (call: Promise<unknown>): Promise<string> => {
  const error = await call.then(
    () => undefined,
    (cause: unknown) => cause
  )
  if (!(error instanceof ConvexError)) return assert.fail(`It was not refused: ${String(error)}`)
  assert.strictEqual(error.data.code, "RateLimited")
  return error.data.message
}

describe("an operator", () => {
  it("who makes too many calls is refused until the window ends, with all devices, and others are not", async () => {
    const operator = await deployment().operator()
    const { workerId } = await enlist(operator)
    const sessionId = await newSession(operator, workerId)
    const { client, deviceId } = await newDevice(deployment(), operator, "operate")
    const turnId = await send(operator, sessionId)
    const spare = await enlist(operator)
    const add = (name: string) => operator.mutation(api.devices.add, { name, scope: "read" }).catch(() => undefined)
    // Calls that fail are not counted: ten codes are accepted, and the others fail by their own limit.
    for (let index = 0; index < 20; index++) await add(`Phone ${index}`)
    for (let index = 0; index < 47; index++) {
      await operator.mutation(api.sessions.create, { workerId, idempotencyKey: `${index}` })
    }
    const message = await refusal(send(operator, sessionId))
    assert.match(message, /^The limit of 60 calls per operator in 10 minutes is reached: try again in (9|10) min$/)
    await refusal(send(client, sessionId))
    // Reading, and reporting that a session is being read, still work.
    assert.isNotNull(await operator.query(api.sessions.get, { sessionId }))
    await operator.mutation(api.sessions.watch, { sessionId })
    // So do stopping and revoking: a device that was stolen must not prevent it.
    await operator.mutation(api.turns.abort, { turnId })
    await operator.mutation(api.devices.revoke, { deviceId })
    await operator.mutation(api.workers.revoke, { workerId: spare.workerId })
    const other = await deployment().operator()
    await newSession(other, (await enlist(other)).workerId)
    passTime(10 * 60_000)
    await send(operator, sessionId)
  })

  it("who sends too many bytes is refused, and nothing of that call is stored", async () => {
    const operator = await deployment().operator()
    const sessionId = await newSession(operator, (await enlist(operator)).workerId)
    await send(operator, sessionId, "é".repeat(200_000))
    await send(operator, sessionId, "é".repeat(200_000))
    const message = await refusal(send(operator, sessionId, "é".repeat(200_000)))
    assert.match(message, /1000000 bytes of arguments/)
    const { page } = await operator.query(api.turns.list, { sessionId, paginationOpts: { numItems: 10, cursor: null } })
    assert.lengthOf(page, 2)
    await send(operator, sessionId, "short")
  })

  it("who creates too many rows is refused, and the refused prompt is not stored", async () => {
    const operator = await deployment().operator()
    const sessionId = await newSession(operator, (await enlist(operator)).workerId)
    const file = { storageId: await uploaded(operator), name: "a.txt", type: "text/plain" }
    const files = Array.from({ length: 10 }, () => file)
    const sendFiles = () =>
      operator.mutation(api.turns.send, { sessionId, text: "Hi", files, idempotencyKey: randomUUID() })
    let sent = 0
    let message = ""
    while (message === "" && sent < 40) {
      message = await sendFiles().then(
        () => "",
        async (cause: unknown) => refusal(Promise.reject(cause))
      )
      if (message === "") sent += 1
    }
    assert.match(message, /^The limit of 200 new rows per operator in 10 minutes is reached/)
    // A prompt with ten files has at least eleven rows.
    assert.isBelow(sent, 19)
    const { page } = await operator.query(api.turns.list, { sessionId, paginationOpts: { numItems: 20, cursor: null } })
    assert.lengthOf(page, sent)
  })

  it("is not limited if the environment turns the limits off", async () => {
    process.env[variable] = "0"
    const operator = await deployment().operator()
    const { workerId } = await enlist(operator)
    for (let index = 0; index < 70; index++) {
      assert.isString(await operator.mutation(api.sessions.create, { workerId, idempotencyKey: `${index}` }))
    }
  })
})
