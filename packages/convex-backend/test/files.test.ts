/** Files of turns: uploads, limits, who can read them, and their end. */
import { randomUUID } from "node:crypto"
import type { ConvexHttpClient } from "convex/browser"
import { ConvexError } from "convex/values"
import { afterAll, assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import { MAX_FILE, MAX_FILES_TOTAL, MAX_OWNER_FILES } from "../convex/limits.ts"
import { passTime, resetTime } from "./support/clock.ts"
import {
  enlist,
  eventually,
  ids,
  newSession,
  post,
  refusalOf,
  type Signature,
  uploaded,
  useDeployment
} from "./support/deployment.ts"

const deployment = useDeployment()
afterAll(() => {
  resetTime()
})

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  return { operator, worker, sessionId: await newSession(operator, worker.workerId) }
}

const reference = (storageId: Id<"_storage">, name = "notes.txt", type = "text/plain") => ({ storageId, name, type })
type Reference = ReturnType<typeof reference>

const send = (
  operator: ConvexHttpClient,
  sessionId: Id<"sessions">,
  files: Array<Reference>,
  key: string = randomUUID()
) => operator.mutation(api.turns.send, { sessionId, text: "Read this", files, idempotencyKey: key })

const messageOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "accepted",
    (error: unknown) => (error instanceof ConvexError ? String(error.data.message) : String(error))
  )

const finish = (operator: ConvexHttpClient, worker: Signature, turnId: Id<"turns">, files: Array<Reference> = []) =>
  operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts: [], files })

const isStored = async (url: string | null) => url !== null && (await fetch(url)).status === 200

describe("files of a prompt", () => {
  it("are listed for the operator, and readable by the process that has claimed the turn only", async () => {
    const { operator, sessionId, worker } = await setUp()
    const storageId = await uploaded(operator, "the notes")
    const turnId = await send(operator, sessionId, [reference(storageId)])
    const [file] = await operator.query(api.files.list, { turnId })
    assert.deepInclude(file, { storageId, name: "notes.txt", type: "text/plain", size: 9, origin: "operator" })
    assert.strictEqual(await (await fetch(file?.url ?? "")).text(), "the notes")
    const read = (as: Signature) => operator.query(api.files.forTurn, { ...as, turnId })
    assert.strictEqual(await refusalOf(read(worker)), "Conflict")
    const prompt = await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    assert.strictEqual(prompt?.fileCount, 1)
    assert.deepStrictEqual(await read(worker), [file])
    const { epoch: _, ...credentials } = worker
    await operator.mutation(api.lease.release, worker)
    const { epoch } = await operator.mutation(api.lease.acquire, { ...credentials, processId: "next" })
    const next = { ...worker, epoch }
    assert.strictEqual(await refusalOf(read(next)), "Conflict")
    await finish(operator, next, turnId)
    assert.strictEqual(await refusalOf(read(next)), "Conflict")
  })

  it("belong to the idempotency key, and are sent again with the prompt", async () => {
    const { operator, sessionId } = await setUp()
    const [one, same, other] = [await uploaded(operator), await uploaded(operator), await uploaded(operator, "other")]
    const turnId = await send(operator, sessionId, [reference(one)], "key")
    assert.strictEqual(await send(operator, sessionId, [reference(one)], "key"), turnId)
    assert.strictEqual(await send(operator, sessionId, [reference(same)], "key"), turnId)
    assert.strictEqual(await refusalOf(send(operator, sessionId, [reference(other)], "key")), "Conflict")
    assert.strictEqual(await refusalOf(send(operator, sessionId, [], "key")), "Conflict")
    await operator.mutation(api.turns.abort, { turnId })
    const again = await operator.mutation(api.turns.resend, { turnId, idempotencyKey: "again" })
    const [file] = await operator.query(api.files.list, { turnId: again })
    assert.strictEqual(file?.storageId, one)
  })

  it("are refused if they were not uploaded here, by this operator, or if they are not described", async () => {
    const { operator, sessionId } = await setUp()
    const other = await setUp()
    const storageId = await uploaded(other.operator)
    await send(other.operator, other.sessionId, [reference(storageId)])
    assert.strictEqual(await refusalOf(send(operator, sessionId, [reference(storageId)])), "NotFound")

    // A file of another module of the same app has no mark.
    const { url } = await operator.mutation(api.files.uploadUrl, { type: "text/plain", size: 1 })
    const foreign = await post(url, "a file of the app", "text/plain")
    assert.strictEqual(await refusalOf(send(operator, sessionId, [reference(foreign)])), "NotFound")

    const own = await uploaded(operator)
    for (const wrong of [
      reference(own, ""),
      reference(own, "a\u202eb"),
      reference(own, "a", "image"),
      reference(own, "a", "text/plain; charset=utf-8"),
      reference(own, "a", "Text/Plain")
    ]) {
      assert.strictEqual(await refusalOf(send(operator, sessionId, [wrong])), "InvalidArgument", JSON.stringify(wrong))
    }
  })

  it("are limited per file, per prompt and per owner, and the refusal names the limit", async () => {
    const { operator, sessionId } = await setUp()
    const ask = (size: number) => messageOf(operator.mutation(api.files.uploadUrl, { type: "image/png", size }))
    assert.strictEqual(await ask(MAX_FILE), "accepted")
    assert.include(await ask(MAX_FILE + 1), "at most 10 MiB")

    // The announced size is not trusted.
    const { contentType, url } = await operator.mutation(api.files.uploadUrl, { type: "image/png", size: 1 })
    const large = await post(url, new Uint8Array(MAX_FILE + 1), contentType)
    assert.include(await messageOf(send(operator, sessionId, [reference(large)])), "at most 10 MiB")

    const full = await uploaded(operator, new Uint8Array(MAX_FILE))
    const three = [reference(full, "1"), reference(full, "2"), reference(full, "3")]
    assert.isAbove(3 * MAX_FILE, MAX_FILES_TOTAL)
    assert.include(await messageOf(send(operator, sessionId, three)), "at most 20 MiB")
    const small = await uploaded(operator, "a file of 22 characters".slice(0, 22))
    const many = Array.from({ length: 11 }, (_, index) => reference(small, String(index)))
    assert.include(await messageOf(send(operator, sessionId, many)), "at most 10")
    assert.deepStrictEqual((await operator.query(api.turns.list, page(sessionId))).page, [])

    // Two references to one stored file count once, and its bytes are free again after the last of them.
    await send(operator, sessionId, [reference(small), reference(small)])
    await deployment().rewrite("fileUsage", '"bytes":22', { bytes: MAX_OWNER_FILES - 3 })
    assert.strictEqual(await ask(3), "accepted")
    assert.include(await ask(4), "more than 512 MiB")
    assert.include(await messageOf(send(operator, sessionId, [reference(full)])), "more than 512 MiB")
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "remove" })
    const freed = 3 + 22
    await eventually(
      () => ask(freed),
      (answer) => answer === "accepted"
    )
    assert.include(await ask(freed + 1), "more than 512 MiB")
  })
})

const page = (sessionId: Id<"sessions">) => ({ sessionId, paginationOpts: { numItems: 20, cursor: null } })

describe("files of an agent", () => {
  it("are stored with the end of the turn, and only once", async () => {
    const { operator, sessionId, worker } = await setUp()
    const turnId = await send(operator, sessionId, [reference(await uploaded(operator))])
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    const upload = await operator.mutation(api.files.agentUploadUrl, { ...worker, type: "image/png", size: 3 })
    assert.isNotNull(upload)
    const storageId = await post(upload.url, "png", upload.contentType)
    const shot = reference(storageId, "shot.png", "image/png")
    await finish(operator, worker, turnId, [shot])
    await finish(operator, worker, turnId, [shot])
    const files = await operator.query(api.files.list, { turnId })
    assert.deepStrictEqual(
      files.map(({ name, origin }) => [name, origin]),
      [
        ["notes.txt", "operator"],
        ["shot.png", "agent"]
      ]
    )
    assert.strictEqual(await (await fetch(files[1]?.url ?? "")).text(), "png")
  })

  it("that are too large, missing or of others are left out, and the turn ends", async () => {
    const { operator, sessionId, worker } = await setUp()
    const other = await setUp()
    const foreign = await uploaded(other.operator)
    await send(other.operator, other.sessionId, [reference(foreign)])
    const ask = (size: number) => operator.mutation(api.files.agentUploadUrl, { ...worker, type: "image/png", size })
    assert.isNull(await ask(MAX_FILE + 1))
    const upload = await ask(1)
    const large = await post(upload?.url ?? "", new Uint8Array(MAX_FILE + 1), upload?.contentType ?? "")
    const turnId = await send(operator, sessionId, [])
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    await finish(operator, worker, turnId, [reference(foreign), reference(large)])
    assert.strictEqual((await operator.query(api.turns.live, { turnId, after: 0 })).status, "completed")
    assert.deepStrictEqual(await operator.query(api.files.list, { turnId }), [])
  })
})

describe("stored files", () => {
  it("are deleted with the last turn that refers to them", async () => {
    const { operator, sessionId, worker } = await setUp()
    const second = await newSession(operator, worker.workerId)
    const [shared, only] = [await uploaded(operator), await uploaded(operator)]
    const first = await send(operator, sessionId, [reference(shared), reference(only)])
    const kept = await send(operator, second, [reference(shared)])
    const urls = (await operator.query(api.files.list, { turnId: first })).map(({ url }) => url)
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "remove" })
    await eventually(
      () => isStored(urls[1] ?? null),
      (stored) => !stored
    )
    const [file] = await operator.query(api.files.list, { turnId: kept })
    assert.isTrue(await isStored(file?.url ?? null))
  })

  it("without a turn are deleted after a day, except files of other modules", async () => {
    const { operator, sessionId } = await setUp()
    const unused = await uploaded(operator, "unused")
    const used = await uploaded(operator, "used")
    const { url } = await operator.mutation(api.files.uploadUrl, { type: "text/plain", size: 1 })
    const foreign = await post(url, "foreign", "text/plain")
    const turnId = await send(operator, sessionId, [reference(used)])
    const at = (storageId: string) => `${deployment().url}/api/storage/${storageId}`
    passTime(25 * 3_600_000)
    await deployment().restart()
    await eventually(
      () => isStored(at(unused)),
      (stored) => !stored
    )
    assert.isTrue(await isStored(at(foreign)))
    const [file] = await operator.query(api.files.list, { turnId })
    assert.isTrue(await isStored(file?.url ?? null))
    assert.strictEqual(await refusalOf(send(operator, sessionId, [reference(unused)])), "NotFound")
  })
})
