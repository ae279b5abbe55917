import { assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { ClientError, createClient } from "../src/index.ts"
import { pairedWorker, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()
const rejection = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)

const setUp = async () => {
  const client = deployment().operator()
  const worker = await pairedWorker(deployment(), client)
  const sessionId = await client.sessions.create(worker.workerId)
  return { client, worker, sessionId, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() }
}

describe("files", () => {
  it("are uploaded, sent with a prompt, read by its worker and listed", async () => {
    await using there = await setUp()
    const { client, sessionId, worker } = there
    const bytes = new Uint8Array([137, 80, 78, 71])
    const image = await client.files.upload(bytes, { name: "screen.png", type: "image/png" })
    const notes = await client.files.upload(new File(["the notes"], "notes.txt", { type: "Text/Plain; charset=utf-8" }))
    assert.deepInclude(notes, { name: "notes.txt", type: "text/plain", size: 9 })
    const turnId = await client.prompt(sessionId, "Look", { files: [image, notes] }).turnId
    await worker.claim(turnId)
    const received = await deployment().http.query(api.files.forTurn, { ...worker.signed, turnId })
    assert.deepStrictEqual(
      received.map(({ name, type }) => [name, type]),
      [
        ["screen.png", "image/png"],
        ["notes.txt", "text/plain"]
      ]
    )
    const [first] = await client.files.list(turnId)
    assert.deepStrictEqual(new Uint8Array(await (await fetch(first?.url ?? "")).arrayBuffer()), bytes)
  })

  it("without a name and a type have defaults", async () => {
    await using there = await setUp()
    const file = await there.client.files.upload(new Blob(["x"]))
    assert.deepInclude(file, { name: "file", type: "application/octet-stream", size: 1 })
  })

  it("are reached under the address of the client, whatever the deployment calls itself", async () => {
    const url = deployment().url.replace("127.0.0.1", "localhost")
    await using client = createClient({ url, auth: () => deployment().token("by another name") })
    const worker = await pairedWorker(deployment(), client)
    const file = await client.files.upload(new Blob(["x"]))
    const turnId = await client.turns.send(await client.sessions.create(worker.workerId), "Look", { files: [file] })
    const [listed] = await client.files.list(turnId)
    assert.isTrue(listed?.url?.startsWith(`${url}/api/storage/`))
    assert.strictEqual(await (await fetch(listed?.url ?? "")).text(), "x")
  })

  it("that are too large are refused before they are sent, and an abort ends the wait", async () => {
    await using there = await setUp()
    const { client } = there
    const large = await rejection(client.files.upload(new Uint8Array(10 * 1024 ** 2 + 1)))
    assert.instanceOf(large, ClientError)
    assert.deepInclude(large.reason, { _tag: "Rejected", code: "InvalidArgument" })
    assert.include(large.message, "at most 10 MiB")
    const reason = new Error("the user left")
    assert.strictEqual(
      await rejection(client.files.upload(new Blob(["x"]), { signal: AbortSignal.abort(reason) })),
      reason
    )
  })
})
