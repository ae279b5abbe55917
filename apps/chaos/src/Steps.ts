/**
 * The steps of a turn, and how each is reached and held: by the model's requests, whose replies are held back, by the
 * deployment's state, by OpenCode's database, and by held traffic. The product has no code for it.
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { signal } from "@opencode-worker/harness"
import { type Duration, Effect } from "effect"
import { untilTrue, within } from "./NotReached.ts"
import { countOf, recordOf } from "./OpenCodeRecord.ts"
import { type Kind, type Length, openingOf, type Prompt, tooMany } from "./Prompt.ts"
import { World } from "./World.ts"

/** The progress of the turn in OpenCode, which decides its end when OpenCode dies. `cut`: OpenCode has died already. */
export type Reached = "not" | "perhaps" | "yes" | "finished" | "cut"

export interface Step {
  readonly name: string
  readonly reached: Reached
  /**
   * The session. Default: one that had a turn, on a server that ran it. `new`: one that OpenCode has not created yet.
   * `cold`: a new session, and a worker and OpenCode that were just started.
   */
  readonly session?: "new" | "cold"
  /** Brings a prompt to the step. `stopped`: a process that is stopped to hold the step. */
  readonly reach: (
    sessionId: Id<"sessions">
  ) => Effect.Effect<{ readonly prompt: Prompt; readonly stopped?: number }, unknown, World>
}

type Session = Id<"sessions">

const send = (sessionId: Session, kind: Kind) => Effect.flatMap(World, (world) => world.send(sessionId, kind))

const asked = (prompt: Prompt) => within(`the model to be asked for ${prompt.id}`, prompt.asked.await)

const shows = (prompt: Prompt, text: string) =>
  untilTrue(
    `the operator to receive "${text}"`,
    Effect.sync(() => prompt.shown.text.startsWith(text))
  )

const dataHome = Effect.map(World, ({ home }) => home.environment["XDG_DATA_HOME"] ?? "")

export const finishedInOpenCode = (prompt: Prompt, limit?: Duration.Input) =>
  Effect.flatMap(dataHome, (data) =>
    untilTrue(
      `OpenCode to have finished ${prompt.id}`,
      Effect.map(recordOf(data, prompt.id), ({ finished }) => finished),
      { limit }
    )
  )

const queued = Effect.fnUntraced(function* (sessionId: Session) {
  const { proxy } = yield* World
  yield* proxy.hold()
  return { prompt: yield* send(sessionId, "text") }
})

const claiming = Effect.fnUntraced(function* (sessionId: Session) {
  const { awaitStatus, proxy } = yield* World
  // The deployment stores the claim long before the worker receives the response.
  yield* proxy.delay("1 second")
  const prompt = yield* send(sessionId, "text")
  yield* awaitStatus(prompt, "claimed")
  return { prompt }
})

const claimed = Effect.fnUntraced(function* (sessionId: Session) {
  const { awaitStatus, openCode } = yield* World
  const { pid } = yield* openCode
  signal(pid, "SIGSTOP")
  const prompt = yield* send(sessionId, "text")
  yield* awaitStatus(prompt, "claimed")
  return { prompt, stopped: pid }
})

/** Waits until OpenCode stores one more row. The short interval finds the moment of the write. */
const storesOneMore = Effect.fnUntraced(function* (
  what: "prompts" | "sessions",
  act: Effect.Effect<Prompt, unknown, World>
) {
  const data = yield* dataHome
  const before = yield* countOf(data, what)
  const prompt = yield* act
  yield* untilTrue(
    `OpenCode to store more ${what} for ${prompt.id}`,
    Effect.map(countOf(data, what), (now) => now > before),
    { every: "2 millis" }
  )
  return { prompt }
})

const sent = (sessionId: Session) => storesOneMore("prompts", send(sessionId, "text"))

const unbound = Effect.fnUntraced(function* (sessionId: Session) {
  const { proxy } = yield* World
  // OpenCode creates the session immediately. The report of it is delayed by a second.
  yield* proxy.delay("1 second")
  return yield* storesOneMore("sessions", send(sessionId, "text"))
})

const untold = Effect.fnUntraced(function* (sessionId: Session) {
  const { proxy } = yield* World
  const { prompt, stopped } = yield* claimed(sessionId)
  yield* proxy.hold("toTarget")
  signal(stopped, "SIGCONT")
  yield* asked(prompt)
  return { prompt }
})

const delivered = Effect.fnUntraced(function* (sessionId: Session) {
  const { awaitStatus } = yield* World
  const prompt = yield* send(sessionId, "text")
  yield* awaitStatus(prompt, "running")
  yield* asked(prompt)
  return { prompt }
})

/** The model has streamed its opening, and waits. */
export const streaming = Effect.fnUntraced(function* (sessionId: Session, length?: Length) {
  const prompt = yield* Effect.flatMap(World, (world) =>
    world.send(sessionId, "text", length === undefined ? {} : { length })
  )
  yield* prompt.begin.open
  yield* shows(prompt, openingOf(prompt.id))
  return { prompt }
})

const tool = Effect.fnUntraced(function* (sessionId: Session) {
  const { traces } = yield* World
  const prompt = yield* send(sessionId, "blocked")
  yield* prompt.begin.open
  yield* untilTrue(
    `the command of ${prompt.id} to run`,
    Effect.map(traces(prompt), (ran) => ran > 0)
  )
  return { prompt }
})

const permission = Effect.fnUntraced(function* (sessionId: Session) {
  const { operator } = yield* World
  const prompt = yield* send(sessionId, "permission")
  yield* prompt.begin.open
  yield* untilTrue(
    `${prompt.id} to ask`,
    Effect.map(operator.pending(sessionId), (pending) => pending.length > 0)
  )
  return { prompt }
})

/** OpenCode has requested a summary, and the model does not reply yet. */
const compacting = Effect.fnUntraced(function* (sessionId: Session) {
  const prompt = yield* send(sessionId, "compaction")
  yield* prompt.begin.open
  yield* untilTrue(
    `OpenCode to compact in ${prompt.id}`,
    Effect.sync(() => prompt.requests.has("summary"))
  )
  return { prompt }
})

/** The provider has refused, and the operator has the notice that OpenCode waits. */
const waiting = Effect.fnUntraced(function* (sessionId: Session) {
  const prompt = yield* send(sessionId, "retry")
  yield* untilTrue(
    `OpenCode to wait for the provider of ${prompt.id}`,
    Effect.sync(() => prompt.shown.notices.includes(tooMany))
  )
  return { prompt }
})

const compacted = Effect.fnUntraced(function* (sessionId: Session) {
  const { proxy } = yield* World
  const { prompt } = yield* compacting(sessionId)
  yield* proxy.hold("toTarget")
  yield* prompt.end.open
  yield* finishedInOpenCode(prompt)
  return { prompt }
})

const unwritten = Effect.fnUntraced(function* (sessionId: Session) {
  const { proxy } = yield* World
  const { prompt } = yield* streaming(sessionId)
  yield* proxy.hold("toTarget")
  yield* prompt.end.open
  yield* finishedInOpenCode(prompt)
  return { prompt }
})

const writing = Effect.fnUntraced(function* (sessionId: Session) {
  const { awaitStatus, proxy } = yield* World
  const { prompt } = yield* streaming(sessionId)
  // The response to the write is delayed by a second.
  yield* proxy.delay("1 second")
  yield* prompt.end.open
  yield* awaitStatus(prompt, "completed")
  return { prompt }
})

const settling = Effect.fnUntraced(function* (sessionId: Session) {
  const { openCode, proxy, worker } = yield* World
  const { prompt } = yield* streaming(sessionId)
  yield* worker.kill
  yield* proxy.cut
  yield* worker.start
  // The next worker queries its server for the turn, and receives no response.
  const { pid } = yield* openCode
  signal(pid, "SIGSTOP")
  return { prompt, stopped: pid }
})

export const steps: ReadonlyArray<Step> = [
  { name: "before the claim", reached: "not", reach: queued },
  { name: "claimed, unanswered", reached: "not", reach: claiming },
  { name: "claimed", reached: "not", reach: claimed },
  { name: "claimed, the server cold", reached: "not", session: "cold", reach: claimed },
  { name: "claimed, without a session", reached: "not", session: "new", reach: claimed },
  { name: "the session made, untold", reached: "not", session: "new", reach: unbound },
  { name: "sent to a cold server", reached: "perhaps", session: "cold", reach: sent },
  { name: "sent to a warm server", reached: "perhaps", reach: sent },
  { name: "delivered, untold", reached: "yes", reach: untold },
  { name: "delivered", reached: "yes", reach: delivered },
  { name: "streaming", reached: "yes", reach: (sessionId) => streaming(sessionId) },
  { name: "a tool running", reached: "yes", reach: tool },
  { name: "a permission open", reached: "yes", reach: permission },
  { name: "compacting", reached: "yes", reach: compacting },
  { name: "waiting for the provider", reached: "yes", reach: waiting },
  { name: "compacted and ended, before the write", reached: "finished", reach: compacted },
  { name: "ended, before the write", reached: "finished", reach: unwritten },
  { name: "during the write", reached: "finished", reach: writing },
  { name: "settled by the next worker", reached: "cut", reach: settling }
]
