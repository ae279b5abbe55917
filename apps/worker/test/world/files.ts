/** Files from the operator's client to the model, and from the agent back to the client. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Client } from "@opencode-worker/client/effect"
import type { SessionId, TurnId } from "@opencode-worker/client"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { answer, limit, newSession, runWorker, script } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64"
)
const imageUrl = `data:image/png;base64,${png.toString("base64")}`

const sendFile = (sessionId: SessionId, content: Uint8Array<ArrayBuffer>, name: string, type: string, model?: string) =>
  Client.use((operator) =>
    operator.call(async ({ files, turns }) => {
      const file = await files.upload(content, { name, type })
      return turns.send(sessionId, "Look at this", { files: [file], ...(model !== undefined && { model }) })
    })
  )

const lastRequest = Effect.map(
  ScriptedProvider.use(({ requests }) => requests),
  (requests) => requests.findLast(({ kind }) => kind === "chat")
)

const filesOf = (turnId: TurnId) => Client.use((operator) => operator.call(({ files }) => files.list(turnId)))

export const filesTests = inWorld("files", (test) => {
  test.effect(
    "an image that is sent while the worker is off reaches the model when it runs",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        const turnId = yield* sendFile(sessionId, new Uint8Array(png), "screen.png", "image/png", "scripted/other")
        yield* runWorker
        assert.deepInclude(yield* answer(turnId), { status: "completed", error: "" })
        const request = yield* lastRequest
        assert.deepStrictEqual(request?.images, [imageUrl])
        assert.include(request?.lastUserText, "Look at this")
        const [file] = yield* filesOf(turnId)
        assert.deepInclude(file, { name: "screen.png", origin: "operator", size: png.length })
      }),
    limit
  )

  test.effect(
    "text of any type is read out to the model",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        const content = new TextEncoder().encode('{"secret":"the answer is 42"}')
        const turnId = yield* sendFile(sessionId, content, "notes.json", "application/json")
        assert.deepInclude(yield* answer(turnId), { status: "completed" })
        const messages = (yield* lastRequest)?.messages ?? []
        assert.include(messages.map(({ text }) => text).join("\n"), "the answer is 42")
      }),
    limit
  )

  test.effect(
    "a file that the model cannot read is refused, and no prompt is sent",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        const before = yield* ScriptedProvider.use(({ count }) => count)
        const named = yield* sendFile(sessionId, new Uint8Array(png), "a.png", "image/png", "scripted/echo")
        const { error, status } = yield* answer(named)
        assert.strictEqual(status, "failed")
        assert.include(error, "scripted/echo does not accept images, so a.png was not sent")
        // The configuration's model is the same one.
        const chosen = yield* answer(yield* sendFile(sessionId, new Uint8Array(png), "b.png", "image/png"))
        assert.include(chosen.error, "scripted/echo does not accept images")
        const zip = yield* sendFile(sessionId, new Uint8Array([80, 75, 3, 4, 0]), "c.zip", "application/zip")
        assert.include((yield* answer(zip)).error, "No model reads files of the type application/zip")
        assert.strictEqual(yield* ScriptedProvider.use(({ count }) => count), before)
      }),
    limit
  )

  test.effect(
    "an image that a tool has read is stored for the operator, and not in the part",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHome
        writeFileSync(join(directory, "shot.png"), png)
        const sessionId = yield* newSession
        yield* runWorker
        // OpenCode sends the image as a message of the user after the result of the tool.
        yield* script(({ messages }) =>
          messages.some(({ role }) => role === "tool")
            ? Reply.text("I have seen it.")
            : Reply.toolCall("read", { filePath: join(directory, "shot.png") })
        )
        const turnId = yield* Client.use((operator) =>
          operator.call(({ turns }) => turns.send(sessionId, "Read the image", { model: "scripted/other" }))
        )
        assert.deepInclude(yield* answer(turnId), { status: "completed" })
        const [file] = yield* filesOf(turnId)
        assert.deepInclude(file, { type: "image/png", origin: "agent", size: png.length })
        const content = yield* Effect.promise(async () => (await fetch(file?.url ?? "")).arrayBuffer())
        assert.deepStrictEqual(Buffer.from(content), png)
        const parts = yield* Client.use((operator) => operator.call(({ turns }) => turns.parts(turnId)))
        const payloads = parts.map(({ payload }) => payload).join("\n")
        assert.notInclude(payloads, imageUrl)
        assert.include(payloads, `storage:${file?.storageId}`)
        const { blocks } = yield* Client.use((operator) =>
          operator.call(({ turns }) => turns.follow(turnId, { watch: false }).result)
        )
        const files = blocks.flatMap((block) => (block.kind === "tool" ? block.files : []))
        assert.deepInclude(files, { name: "file", type: "image/png", storageId: file?.storageId ?? null })
      }),
    limit
  )
})
