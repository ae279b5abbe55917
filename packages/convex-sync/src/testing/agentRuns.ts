/** Conversations, prompts and observed events of the conformance checks. */
import type { Id } from "@opencode-worker/convex-backend/api"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Agent, AgentEvent, AgentRequest, AgentSession, Conversation, Ended, Prompt } from "../Agent.ts"
import type { AgentError } from "../AgentError.ts"

/** An agent under test, and the prompts that make it act. */
export interface AgentHarness {
  readonly agent: Agent["Service"]
  /** A prompt that the agent answers with text that contains it. */
  readonly echo: (text: string) => string
  /** A prompt that the agent answers with some text, and then works on until it is stopped. */
  readonly hang: string
  /** A prompt for which the agent asks for a permission, and completes after it was given once. */
  readonly ask: string
  /** A prompt that the agent answers with some text, and then works on for a while, in which it can be steered. Default: `hang`. */
  readonly steerable?: string
}

let conversations = 0
/** A conversation of its own, with its link in memory. */
export const newConversation = (): Conversation => {
  let agentSessionId: string | null = null
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
    sessionId: `conversation_${++conversations}` as Id<"sessions">,
    read: Effect.sync(() => ({ agentSessionId, title: "Conformance", historyLost: false, createdAt: Date.now() })),
    link: (id) =>
      Effect.sync(() => {
        agentSessionId = id
        return { chosenTitle: null }
      })
  }
}

export const promptOf = (
  agent: Agent["Service"],
  text: string,
  delivery: Prompt["delivery"] = "queue"
): Effect.Effect<Prompt> =>
  Effect.map(agent.promptIds, (ids) => ({
    ...ids,
    text,
    files: [],
    model: null,
    agent: null,
    variant: null,
    command: null,
    budget: null,
    delivery
  }))

export const tagsOf = (events: ReadonlyArray<AgentEvent>) => events.map(({ _tag }) => _tag)
export const textOf = (events: ReadonlyArray<AgentEvent>) =>
  events.map((event) => (event._tag === "TextDelta" && event.kind === "text" ? event.text : "")).join("")
export const finalText = ({ parts }: Pick<Ended, "parts">, streamed = "") =>
  parts(streamed === "" ? [] : [{ partId: "streamed", kind: "text", text: streamed }])
    .map(({ payload }) => payload)
    .join("\n")

export const endOf = (events: ReadonlyArray<AgentEvent>): Ended => {
  const last = events.at(-1)
  if (last?._tag !== "Ended") throw new Error(`The last event is ${last?._tag ?? "missing"}, not Ended`)
  return last
}

/** Runs a prompt to its end. */
export const runAll = (harness: AgentHarness, conversation: Conversation, prompt: Prompt) =>
  harness.agent.use(conversation, (session) => Stream.runCollect(session.run(prompt)))

/** Starts a prompt, and waits until an event matches. */
export const started = Effect.fnUntraced(function* (
  events: Stream.Stream<AgentEvent, AgentError>,
  matches: (event: AgentEvent) => boolean
) {
  const seen: Array<AgentEvent> = []
  const matched = yield* Deferred.make<AgentEvent>()
  const fiber = yield* events.pipe(
    Stream.runForEach((event) => {
      seen.push(event)
      return matches(event) ? Deferred.succeed(matched, event) : Effect.void
    }),
    Effect.forkChild
  )
  const event = yield* Effect.raceFirst(
    Deferred.await(matched),
    Effect.andThen(Fiber.join(fiber), Effect.die("The turn ended before the expected event"))
  )
  return { event, fiber, seen }
})
export const isText = ({ _tag }: AgentEvent) => _tag === "TextDelta"

/** Runs `act` when the agent has opened a request. `last`: the result of a reply after the end of the turn. */
export const withRequest = Effect.fnUntraced(function* (
  { agent, ask }: AgentHarness,
  act: (request: AgentRequest, session: AgentSession) => Effect.Effect<void, AgentError>
) {
  const prompt = yield* promptOf(agent, ask)
  return yield* agent.use(newConversation(), (session) =>
    Effect.gen(function* () {
      const { event, fiber, seen } = yield* started(session.run(prompt), ({ _tag }) => _tag === "RequestOpened")
      if (event._tag !== "RequestOpened") return yield* Effect.die("The event is not RequestOpened")
      yield* act(event.request, session)
      yield* Fiber.join(fiber)
      return { events: seen, last: yield* event.request.reply({ type: "once" }) }
    })
  )
})
