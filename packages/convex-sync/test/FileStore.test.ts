/** Files between an agent and the storage of a real deployment. */
import { assert, layer } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { MAX_FILE } from "@opencode-worker/convex-backend/limits"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Effect, Fiber, Layer } from "effect"
import { api, type AgentReason, fileStore, Lease, turnStore } from "../src/index.ts"
import { connection, Deployment, pair } from "./support/deployment.ts"

/** A worker with its lease, and an operator with a session. */
const setUp = Effect.gen(function* () {
  const convex = yield* connection(crypto.randomUUID())
  const credentials = yield* pair(convex)
  const services = yield* Layer.build(Lease.layer(credentials, { processId: "p" })).pipe(
    Effect.provideService(ConvexClient, convex)
  )
  const lease = yield* Effect.provideContext(Lease, services)
  const sessionId = yield* convex.mutation(api.sessions.create, {
    workerId: credentials.workerId,
    idempotencyKey: "session"
  })
  /** A claimed turn with these files. */
  const claimed = Effect.fnUntraced(function* (...contents: ReadonlyArray<string>) {
    const files = yield* Effect.forEach(contents, (content, index) =>
      Effect.gen(function* () {
        const target = yield* convex.mutation(api.files.uploadUrl, { type: "text/plain", size: content.length })
        const { storageId }: { storageId: Id<"_storage"> } = yield* Effect.promise(async () => {
          const headers = { "content-type": target.contentType }
          return JSON.parse(await (await fetch(target.url, { method: "POST", body: content, headers })).text())
        })
        return { storageId, name: `${index}.txt`, type: "text/plain" }
      })
    )
    const idempotencyKey = crypto.randomUUID()
    const turnId = yield* convex.mutation(api.turns.send, { sessionId, text: "Read", files, idempotencyKey })
    assert.isNotNull(yield* turnStore(lease).claim(turnId, { messageId: "msg_1", partId: "prt_1" }))
    return turnId
  })
  return { claimed, convex, lease, store: fileStore(lease), turns: turnStore(lease) }
})

const part = (index: number, payload: unknown) => ({ index, kind: "tool", payload: JSON.stringify(payload) })
const image = `data:image/png;base64,${Buffer.from("png").toString("base64")}`

layer(Deployment.layer, { excludeTestServices: true })("files", (test) => {
  test.effect("of a prompt are read by the worker that has claimed the turn", () =>
    Effect.gen(function* () {
      const { claimed, store } = yield* setUp
      const files = yield* store.ofTurn(yield* claimed("one", "two"))
      assert.deepStrictEqual(
        files.map(({ bytes, name, type }) => [name, type, Buffer.from(bytes).toString()]),
        [
          ["0.txt", "text/plain", "one"],
          ["1.txt", "text/plain", "two"]
        ]
      )
    })
  )

  test.effect("of a prompt are waited for while the deployment is away", () =>
    Effect.gen(function* () {
      const { claimed, store } = yield* setUp
      const deployment = yield* Deployment
      const turnId = yield* claimed("one")
      const reading = yield* deployment.whileAway(Effect.forkScoped(store.ofTurn(turnId)))
      const [file] = yield* Fiber.join(reading)
      assert.strictEqual(file?.name, "0.txt")
    })
  )

  test.effect("of a prompt that are gone fail with their name", () =>
    Effect.gen(function* () {
      const { claimed, store, turns } = yield* setUp
      const turnId = yield* claimed("one")
      yield* turns.finish(turnId, { outcome: "completed", parts: [] })
      const { reason }: { reason: AgentReason.AgentReason } = yield* Effect.flip(store.ofTurn(turnId))
      assert.deepInclude(reason, { _tag: "Failed", name: "FileUnavailable" })
    })
  )

  test.effect("of an agent are stored with the end of the turn, and a file that is too large is left out", () =>
    Effect.gen(function* () {
      const { claimed, convex, turns } = yield* setUp
      const turnId = yield* claimed("one")
      const large = `data:image/png;base64,${Buffer.alloc(MAX_FILE + 1).toString("base64")}`
      const parts = [
        part(0, { type: "file", filename: "shot.png", url: image }),
        part(1, {
          type: "tool",
          state: {
            attachments: [
              { type: "file", url: image },
              { type: "file", url: large }
            ]
          }
        })
      ]
      yield* turns.finish(turnId, { outcome: "completed", parts })
      const [, shot] = yield* convex.query(api.files.list, { turnId })
      assert.deepInclude(shot, { name: "shot.png", type: "image/png", size: 3, origin: "agent" })
      assert.strictEqual(yield* Effect.promise(async () => (await fetch(shot?.url ?? "")).text()), "png")
      const paginationOpts = { numItems: 10, cursor: null }
      const { page } = yield* convex.query(api.turns.parts, { turnId, paginationOpts })
      const stored = `storage:${shot?.storageId}`
      assert.deepStrictEqual(
        page.map(({ payload }) => JSON.parse(payload)),
        [
          { type: "file", filename: "shot.png", url: stored },
          {
            type: "tool",
            state: {
              attachments: [
                { type: "file", url: stored },
                { type: "file", url: `omitted:${MAX_FILE + 1}` }
              ]
            }
          }
        ]
      )
    })
  )
})
