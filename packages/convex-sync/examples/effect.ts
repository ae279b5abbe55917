/** A worker that answers a prompt by repeating it, and the person who asks. */
import { randomUUID } from "node:crypto"
import { api, DeltaWriter, Inbox, Lease, Pairing, type ReadyTurn } from "@opencode-worker/convex-sync"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Console, Effect, Layer, Semaphore, Stream } from "effect"
import { deploy } from "./deployment.ts"

const answer = Effect.fn(function* ({ text, turnId }: ReadyTurn) {
  const { mutation } = yield* Lease
  const { append, end } = yield* DeltaWriter
  const { claim } = yield* Inbox
  if (!(yield* claim(turnId, { messageId: "msg_1", partId: "prt_1" }))) return
  for (const word of text.split(" ")) yield* append(turnId, { partId: "prt_2", kind: "text", text: `${word} ` })
  yield* end(turnId)
  const parts = [{ index: 0, kind: "text", payload: JSON.stringify({ text }) }]
  yield* mutation(api.queue.finish, { turnId, outcome: "completed", parts })
})

const work = Effect.gen(function* () {
  const { lost } = yield* Lease
  const { run } = yield* Inbox
  const room = yield* Semaphore.make(10)
  yield* Effect.raceFirst(
    run((turn) => room.withPermit(answer(turn))),
    lost
  )
})

/** Waits for approval, then works under the lease, which is released in the end. */
const worker = Effect.fn(function* (attempt: Pairing.Attempt) {
  const credentials = yield* Pairing.approved(attempt)
  const lease = Lease.layer(credentials, { processId: randomUUID() })
  const services = Layer.mergeAll(Inbox.layer(), DeltaWriter.layer()).pipe(Layer.provideMerge(lease))
  yield* Effect.provide(work, services)
})

await using deployment = await deploy()

const person = Effect.fn(function* (code: string) {
  const convex = yield* ConvexClient.make({ url: deployment.url, auth: Effect.promise(deployment.token) })
  const workerId = yield* convex.action(api.pairing.approve, { code })
  const sessionId = yield* convex.mutation(api.sessions.create, { workerId, idempotencyKey: "session" })
  const prompt = { sessionId, text: "Say it again", idempotencyKey: "prompt" }
  const turnId = yield* convex.mutation(api.turns.send, prompt)
  yield* convex.subscribe(api.turns.live, { turnId, after: 0 }).pipe(
    Stream.takeUntil(({ status }) => status === "completed"),
    Stream.runForEach(({ status }) => Console.log(status))
  )
  const parts = yield* convex.query(api.turns.parts, { turnId, paginationOpts: { numItems: 1, cursor: null } })
  yield* Console.log(parts.page[0]?.payload)
})

await Effect.gen(function* () {
  const attempt = yield* Pairing.begin({ machine: "laptop", directory: "/home/me/app" })
  yield* Effect.forkScoped(worker(attempt))
  yield* person(attempt.code)
}).pipe(Effect.scoped, Effect.provide(ConvexClient.layer({ url: deployment.url })), Effect.runPromise)
