/** Rows by what a person types: a whole id, however old the row is, or a prefix that only one of the newest rows has. */
import type { PendingRequest, RequestId, Session, SessionId, Turn, Worker } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { isConvexClientError } from "@opencode-worker/effect-convex"
import { Effect, Option, Stream } from "effect"
import { usageError } from "../AppError.ts"

/** Rows that are searched for a prefix, the newest first. */
const searched = 500

/** An id of the deployment as a whole, and not the start of one. */
const isWhole = <Id extends string>(given: string | Id): given is Id => /^[0-9a-z]{31,37}$/.test(given)

/** Null for a refusal: there is no such row, or it is not yours, or the text is no id of this table. */
const orNull = <A, E extends { readonly _tag: string }, R>(row: Effect.Effect<A, E, R>) =>
  Effect.catchIf(
    row,
    (error) => isConvexClientError(error) && ["FunctionFailed", "Rejected"].includes(error.reason._tag),
    () => Effect.succeed(null)
  )

export const unique = Effect.fnUntraced(function* <A>(options: {
  readonly kind: string
  readonly given: string
  readonly found: ReadonlyArray<A>
  readonly idOf: (row: A) => string
  readonly list: string
  /** Older rows were not searched. */
  readonly isPartial?: boolean
}) {
  const { found, given, idOf, isPartial = false, kind, list } = options
  const [first, ...others] = found
  if (first !== undefined && others.length === 0) return first
  return yield* usageError(
    first === undefined
      ? isPartial
        ? `None of your newest ${searched} ${kind}s begins with ${given}: give the whole id, which ${list} --json shows.`
        : `There is no ${kind} ${given}: ${list} lists yours.`
      : `${given} names ${found.length} of your ${kind}s: ${found.slice(0, 5).map(idOf).join(", ")}. Give more of the id.`
  )
})

export const findSession = Effect.fnUntraced(function* (given: string) {
  const client = yield* Client
  if (isWhole<SessionId>(given)) {
    const session = yield* orNull(client.call(({ sessions }, options) => sessions.get(given, options)))
    if (session !== null) return session
  }
  const sessions = yield* Stream.runCollect(
    Stream.take(
      client.stream((operator) => operator.sessions.list()),
      searched
    )
  )
  const found = sessions.filter(({ sessionId }) => given !== "" && sessionId.startsWith(given))
  return yield* unique<Session>({
    kind: "session",
    given,
    found,
    idOf: ({ sessionId }) => sessionId,
    list: "opencode-worker sessions ls",
    isPartial: sessions.length === searched
  })
})

/** A worker by the start of its id, by its machine, or by the last part of its directory. None given: the only one. */
export const findWorker = Effect.fnUntraced(function* (given: Option.Option<string>) {
  const client = yield* Client
  const all = yield* client.call(({ workers }, options) => workers.list(options))
  const workers = all.filter(({ approval }) => approval === "approved")
  const list = "opencode-worker workers ls"
  if (Option.isNone(given)) {
    const [only, ...others] = workers
    if (only !== undefined && others.length === 0) return only
    return yield* usageError(
      only === undefined
        ? "You have no worker yet: opencode-worker start shows a code, which opencode-worker approve accepts."
        : `You have ${workers.length} workers: choose one with --worker (${list} lists them).`
    )
  }
  const name = given.value
  const names = ({ directory, machine, workerId }: Worker) =>
    name !== "" && (workerId.startsWith(name) || machine === name || directory.split(/[/\\]/).at(-1) === name)
  return yield* unique<Worker>({
    kind: "worker",
    given: name,
    found: workers.filter(names),
    idOf: ({ workerId }) => workerId,
    list
  })
})

/** A turn of a session by the start of its id. None given: the newest turn. */
export const findTurn = Effect.fnUntraced(function* (session: string, given: Option.Option<string>) {
  const client = yield* Client
  const { sessionId } = yield* findSession(session)
  const newest = client.stream(({ turns }) => turns.list(sessionId, { order: "desc" }))
  const prefix = Option.getOrElse(given, () => "")
  // A whole id is the only one with this start, in the whole session.
  const looked = isWhole(prefix)
    ? Stream.take(
        Stream.filter(newest, ({ turnId }) => turnId === prefix),
        1
      )
    : Stream.take(newest, Option.isNone(given) ? 1 : searched)
  const turns = yield* Stream.runCollect(looked)
  const found = turns.filter(({ turnId }) => turnId.startsWith(prefix))
  return yield* unique<Turn>({
    kind: "turn",
    given: prefix,
    found,
    idOf: ({ turnId }) => turnId,
    list: `opencode-worker turns ls ${session}`,
    isPartial: turns.length === searched
  })
})

export const findRequest = Effect.fnUntraced(function* (given: string) {
  const client = yield* Client
  if (isWhole<RequestId>(given)) {
    const request = yield* orNull(client.call(({ requests }, options) => requests.get(given, options)))
    if (request !== null) return request
  }
  const waiting = yield* client.call(({ requests }, options) => requests.list(options))
  return yield* unique<PendingRequest>({
    kind: "request",
    given,
    found: waiting.filter(({ requestId }) => given !== "" && requestId.startsWith(given)),
    idOf: ({ requestId }) => requestId,
    list: "opencode-worker inbox ls"
  })
})

/** The shortest length, at least 6, at which all of these ids are different. */
export const prefixLength = (ids: ReadonlyArray<string>): number => {
  for (let length = 6; length < 32; length++) {
    if (new Set(ids.map((id) => id.slice(0, length))).size === ids.length) return length
  }
  return 32
}
