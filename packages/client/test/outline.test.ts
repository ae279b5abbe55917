/** The bytes that a client receives over its socket when it opens a long session. */
import { assert, describe, it, vi } from "vitest"
import type { OutlineEntry } from "../src/api.ts"
import { pairedWorker, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

/** Counts the bytes of all messages that the sockets of later clients receive. */
const countReceived = () => {
  let bytes = 0
  vi.stubGlobal(
    "WebSocket",
    class extends WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args)
        this.addEventListener("message", ({ data }) => (bytes += Buffer.byteLength(String(data))))
      }
    }
  )
  return { bytes: () => bytes, [Symbol.dispose]: () => void vi.unstubAllGlobals() }
}

/** Of a turn that reads files and explains them: texts of 1 kB, calls with an output of 1 kB. */
const partsOf = (turn: number) =>
  Array.from({ length: 2_000 }, (_, index) => {
    const id = `prt_${String(turn * 2_000 + index).padStart(26, "0")}`
    const time = { start: 1, end: 1_234 }
    const state = {
      status: "completed",
      title: `src/components/file${index}.ts`,
      input: { filePath: "/home/me" },
      time
    }
    const part =
      index % 2 === 0
        ? { id, text: "word ".repeat(200), time }
        : { id, tool: "read", state: { ...state, output: "x".repeat(1_000) } }
    return { index, kind: index % 2 === 0 ? "text" : "tool", payload: JSON.stringify(part) }
  })

const take = async <A>(values: AsyncIterable<A>, count: number): Promise<ReadonlyArray<A>> => {
  const taken: Array<A> = []
  for await (const value of values) if (taken.push(value) === count) break
  return taken
}

describe("a session of 10,000 parts", () => {
  it("is opened with at most 60 kB, and each part is read on demand", { timeout: 120_000 }, async () => {
    await using writer = deployment().operator(undefined, "owner")
    const worker = await pairedWorker(deployment(), writer)
    const sessionId = await writer.sessions.create(worker.workerId)
    for (let turn = 0; turn < 5; turn++) {
      const turnId = await writer.turns.send(sessionId, "Explain the code. ".repeat(1_000))
      await worker.claim(turnId)
      await worker.finishWith(turnId, partsOf(turn))
    }

    using received = countReceived()
    await using reader = deployment().operator(undefined, "owner")
    assert.strictEqual((await reader.sessions.get(sessionId))?.sessionId, sessionId)
    const turns = await take(reader.turns.list(sessionId, { order: "desc" }), 20)
    assert.strictEqual(
      turns.reduce((sum, { parts }) => sum + parts, 0),
      10_000
    )
    const [last] = turns
    assert.isDefined(last)
    if (last === undefined) return
    const outline = await take<OutlineEntry>(reader.turns.outline(last.turnId, { order: "desc" }), 100)
    assert.isAtMost(received.bytes(), 60_000)
    assert.deepInclude(outline[0], { index: 1_999, tool: "read", title: "src/components/file1999.ts", duration: 1_233 })
    assert.include((await reader.turns.part(last.turnId, 1_999))?.payload, "x".repeat(1_000))
    assert.strictEqual(await reader.turns.prompt(last.turnId), "Explain the code. ".repeat(1_000))
  })
})
