/** A worker with the agent of `echoAgent.ts`, and the operator who sends it a prompt. */
import { randomUUID } from "node:crypto"
import { api, DeltaWriter, Lease, Pairing, TurnScheduler } from "@opencode-worker/convex-sync"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Console, Effect, Layer, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { deploy } from "./deployment.ts"
import { echoAgent } from "./echoAgent.ts"

const { MODEL = "echo", OPENAI_BASE_URL = "http://127.0.0.1:11434/v1" } = process.env

/** Waits for approval, then runs turns under the lease. */
const worker = Effect.fn(function* (attempt: Pairing.PairingAttempt) {
  const credentials = yield* Pairing.approved(attempt)
  const scheduler = TurnScheduler.layer().pipe(
    Layer.provide(Layer.merge(DeltaWriter.layer(), echoAgent(OPENAI_BASE_URL, MODEL))),
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(Lease.layer(credentials, { processId: randomUUID() }))
  )
  yield* Effect.all([TurnScheduler.use(({ recover }) => recover), TurnScheduler.use(({ run }) => run)], {
    concurrency: "unbounded"
  }).pipe(Effect.provide(scheduler))
})

await using deployment = await deploy()

const operator = Effect.fn(function* (code: string) {
  const convex = yield* ConvexClient.make({ url: deployment.url, auth: Effect.promise(deployment.token) })
  const workerId = yield* convex.action(api.pairing.approve, { code })
  const sessionId = yield* convex.mutation(api.sessions.create, { workerId, idempotencyKey: "session" })
  const prompt = { sessionId, text: "Say it again", idempotencyKey: "prompt" }
  const turnId = yield* convex.mutation(api.turns.send, prompt)
  yield* convex.subscribe(api.turns.live, { turnId, after: 0 }).pipe(
    Stream.takeUntil(({ status }) => status === "completed" || status === "failed"),
    Stream.runForEach(({ error, status }) => Console.log(error?.message ?? status))
  )
  const parts = yield* convex.query(api.turns.parts, { turnId, paginationOpts: { numItems: 1, cursor: null } })
  yield* Console.log(JSON.parse(parts.page[0]?.payload ?? "{}").text)
})

await Effect.gen(function* () {
  const attempt = yield* Pairing.begin({ machine: "laptop", directory: "/home/me/app" })
  yield* Effect.forkScoped(worker(attempt))
  yield* operator(attempt.code)
}).pipe(Effect.scoped, Effect.provide(ConvexClient.layer({ url: deployment.url })), Effect.runPromise)
