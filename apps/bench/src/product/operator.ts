/** A person who prompts and reads along, over a connection of their own. */
import { randomUUID } from "node:crypto"
import { api } from "@opencode-worker/convex-sync"
import { type AsyncConvexClient, createConvexClient } from "@opencode-worker/effect-convex/async"
import type { Deployment } from "@opencode-worker/harness"
import type { FunctionReturnType } from "convex/server"

type Live = FunctionReturnType<typeof api.turns.live>
type Parts = FunctionReturnType<typeof api.turns.parts>
type Part = Parts["page"][number]
type TurnId = FunctionReturnType<typeof api.turns.send>
type WorkerId = FunctionReturnType<typeof api.pairing.approve>
type SessionId = FunctionReturnType<typeof api.sessions.create>

/** Text as it appeared: how many characters there were at a time, in milliseconds of `performance.now`. */
export interface Sighting {
  readonly at: number
  readonly characters: number
}

/** What an operator saw of one turn. */
export interface Seen {
  readonly sentAt: number
  readonly doneAt: number
  readonly text: ReadonlyArray<Sighting>
  /** What was streamed, in the order in which it came. */
  readonly streamed: string
  /** What the turn's final parts say. */
  readonly final: string
  readonly status: Live["status"]
}

const isFinal = ({ status }: Live) => status !== "queued" && status !== "claimed" && status !== "running"

/** How often a reader says so; see the backend's `sessions.watch`. Milliseconds. */
const RENEWAL = 20_000

/** A connection of the operator. */
export const connectTo = ({ token, url }: Deployment): AsyncConvexClient => createConvexClient({ url, auth: token })

/** `isReading`: reads each answer as it comes; otherwise waits for its end. */
export const operator = async (client: AsyncConvexClient, workerId: WorkerId, isReading: boolean) => {
  const sessionId = await client.mutation(api.sessions.create, {
    workerId,
    title: "Bench",
    idempotencyKey: randomUUID()
  })
  return {
    /** Sends a prompt and waits for the end of its turn. */
    ask: async (text: string): Promise<Seen> => {
      using _ = isReading ? await watching(client, sessionId) : undefined
      const sentAt = performance.now()
      const turnId = await client.mutation(api.turns.send, { sessionId, text, idempotencyKey: randomUUID() })
      const sightings: Array<Sighting> = []
      let streamed = ""
      let after = isReading ? 0 : Number.MAX_SAFE_INTEGER
      let last: Live
      do {
        last = await next(client.subscribe(api.turns.live, { turnId, after }))
        after = last.deltas.at(-1)?.seq ?? after
        streamed += textOf(last)
        sightings.push({ at: performance.now(), characters: streamed.length })
      } while (!isFinal(last))
      const doneAt = performance.now()
      const parts = await partsOf(client, turnId)
      const final = parts.flatMap(({ kind, payload }) => (kind === "text" ? [read(payload).text] : [])).join("")
      return { sentAt, doneAt, text: sightings, streamed, final, status: last.status }
    }
  }
}

const partsOf = async (client: AsyncConvexClient, turnId: TurnId) => {
  const all: Array<Part> = []
  let next: Pick<Parts, "isDone"> & { readonly continueCursor: string | null } = { isDone: false, continueCursor: null }
  while (!next.isDone) {
    const paginationOpts = { numItems: 100, cursor: next.continueCursor }
    const { page, ...more } = await client.query(api.turns.parts, { turnId, paginationOpts })
    all.push(...page)
    next = more
  }
  return all
}

const read: (payload: string) => { readonly text: string } = JSON.parse

const textOf = ({ deltas }: Live): string =>
  deltas.flatMap(({ segments }) => segments.flatMap(({ kind, text }) => (kind === "text" ? [text] : []))).join("")

/** The first result that brings something new. */
const next = async (updates: AsyncIterable<Live>): Promise<Live> => {
  for await (const live of updates) if (live.deltas.length > 0 || isFinal(live)) return live
  throw new Error("The subscription ended")
}

const watching = async (client: AsyncConvexClient, sessionId: SessionId) => {
  const say = () => client.mutation(api.sessions.watch, { sessionId })
  await say()
  const timer = setInterval(() => void say(), RENEWAL)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
