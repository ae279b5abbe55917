/** The operator: the published client over a connection of its own. Calls are retried, because the deployment is killed. */
import { randomUUID } from "node:crypto"
import { type SessionId, type TurnId, TurnView } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { api } from "@opencode-worker/convex-sync"
import { ConvexClient, isTransient } from "@opencode-worker/effect-convex"
import { Effect, Schedule, Stream } from "effect"

const again = { while: isTransient, schedule: Schedule.spaced("250 millis") } as const

export const makeOperator = Effect.fnUntraced(function* (url: string, token: Effect.Effect<string>) {
  const limits = { mutationTimeout: "10 seconds", queryTimeout: "10 seconds" } as const
  const convex = yield* ConvexClient.make({ url, auth: token, ...limits })
  const client = yield* Effect.provideService(Client.make, ConvexClient, convex)
  const call: Client["Service"]["call"] = (f) => Effect.retry(client.call(f), again)

  return {
    call,
    /** Creates a session on the only worker. */
    createSession: Effect.gen(function* () {
      const idempotencyKey = randomUUID()
      const [worker] = yield* call(({ workers }) => workers.list())
      const { workerId } = yield* Effect.fromNullishOr(worker)
      return yield* call(({ sessions }) => sessions.create(workerId, { idempotencyKey }))
    }),
    sessions: Stream.runCollect(client.stream(({ sessions }) => sessions.list())).pipe(Effect.retry(again)),
    pending: (sessionId: SessionId) => call(({ requests }) => requests.list({ sessionId })),
    views: (turnId: TurnId) => client.stream(({ turns }) => turns.follow(turnId)).pipe(Stream.retry(again.schedule)),
    /** The status of a turn, and each later one, also after its end: a final status that changes is a fault. */
    statuses: (turnId: TurnId) =>
      convex.subscribe(api.turns.live, { turnId, after: Number.MAX_SAFE_INTEGER }).pipe(
        Stream.map(({ status }) => status),
        Stream.changes
      ),
    /** The status by a query of its own, in case that a subscription has missed it. */
    readStatus: (turnId: TurnId) =>
      convex.query(api.turns.live, { turnId, after: Number.MAX_SAFE_INTEGER }).pipe(
        Effect.map(({ status }) => status),
        Effect.retry(again)
      ),
    /** The view of a turn that has ended. */
    result: (turnId: TurnId) => call(({ turns }) => turns.follow(turnId).result)
  }
})

/** The text of all blocks of a kind. */
export const textOf = ({ blocks }: TurnView.TurnView, kind: "text" | "notice"): string =>
  blocks.flatMap((block) => (block.kind === kind ? [block.text] : [])).join("")
