/**
 * The checks that every implementation of `Agent` passes. They use no test runner: run each as a test of its own.
 *
 * @example
 * for (const { check, title } of agentConformance) {
 *   it.effect(title, () => Effect.scoped(Effect.flatMap(makeHarness, check)))
 * }
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict"
import type { Id } from "@opencode-worker/convex-backend/api"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
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

export interface AgentCheck {
  readonly title: string
  readonly check: (harness: AgentHarness) => Effect.Effect<void, unknown>
}

let conversations = 0
/** A conversation of its own, with its link in memory. */
const newConversation = (): Conversation => {
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

const promptOf = (
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

const tagsOf = (events: ReadonlyArray<AgentEvent>) => events.map(({ _tag }) => _tag)
const textOf = (events: ReadonlyArray<AgentEvent>) =>
  events.map((event) => (event._tag === "TextDelta" && event.kind === "text" ? event.text : "")).join("")
const finalText = ({ parts }: Pick<Ended, "parts">, streamed = "") =>
  parts(streamed === "" ? [] : [{ partId: "streamed", kind: "text", text: streamed }])
    .map(({ payload }) => payload)
    .join("\n")

const endOf = (events: ReadonlyArray<AgentEvent>): Ended => {
  const last = events.at(-1)
  if (last?._tag !== "Ended") throw new Error(`The last event is ${last?._tag ?? "missing"}, not Ended`)
  return last
}

/** Runs a prompt to its end. */
const runAll = (harness: AgentHarness, conversation: Conversation, prompt: Prompt) =>
  harness.agent.use(conversation, (session) => Stream.runCollect(session.run(prompt)))

/** Starts a prompt, and waits until an event matches. */
const started = Effect.fnUntraced(function* (
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
const isText = ({ _tag }: AgentEvent) => _tag === "TextDelta"

/** Runs `act` when the agent has opened a request. `last`: the result of a reply after the end of the turn. */
const withRequest = Effect.fnUntraced(function* (
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

export const agentConformance: ReadonlyArray<AgentCheck> = [
  {
    title: "run delivers a prompt, streams its text, and ends once with its parts",
    check: Effect.fnUntraced(function* (harness) {
      const prompt = yield* promptOf(harness.agent, harness.echo("hello"))
      const events = yield* runAll(harness, newConversation(), prompt)
      const tags = tagsOf(events)
      strictEqual(tags.filter((tag) => tag === "Delivered").length, 1)
      strictEqual(tags.filter((tag) => tag === "Ended").length, 1)
      ok(tags.indexOf("Delivered") < tags.indexOf("TextDelta"))
      const ended = endOf(events)
      strictEqual(ended.outcome, "completed")
      ok(textOf(events).includes("hello"))
      ok(finalText(ended).includes("hello"))
    })
  },
  {
    title: "run follows a prompt that the agent has, and does not run it again",
    check: Effect.fnUntraced(function* (harness) {
      const conversation = newConversation()
      const prompt = yield* promptOf(harness.agent, harness.echo("once"))
      const first = endOf(yield* runAll(harness, conversation, prompt))
      const second = endOf(yield* runAll(harness, conversation, prompt))
      deepStrictEqual([second.outcome, finalText(second)], [first.outcome, finalText(first)])
    })
  },
  {
    title: "a conversation keeps its session, which the first run opens and links",
    check: Effect.fnUntraced(function* (harness) {
      const conversation = newConversation()
      const idAfterRun = Effect.flatMap(promptOf(harness.agent, harness.echo("again")), (prompt) =>
        harness.agent.use(conversation, (session) => Effect.andThen(Stream.runDrain(session.run(prompt)), session.id))
      )
      const id = yield* idAfterRun
      ok(id !== null)
      strictEqual((yield* conversation.read).agentSessionId, id)
      strictEqual(yield* idAfterRun, id)
    })
  },
  {
    title: "use admits one user of a conversation at a time",
    check: Effect.fnUntraced(function* (harness) {
      const conversation = newConversation()
      const gate = yield* Latch.make()
      const order: Array<string> = []
      const first = yield* Effect.forkChild(
        harness.agent.use(conversation, () =>
          Effect.andThen(
            Effect.sync(() => order.push("first")),
            gate.await
          )
        )
      )
      yield* Effect.yieldNow
      const second = yield* Effect.forkChild(
        harness.agent.use(conversation, () => Effect.sync(() => order.push("second")))
      )
      yield* harness.agent.use(newConversation(), () => Effect.sync(() => order.push("other")))
      ok(!order.includes("second"))
      yield* gate.open
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      strictEqual(order.at(-1), "second")
    })
  },
  {
    title: "abort ends the turn as aborted, with the text that was streamed",
    check: Effect.fnUntraced(function* (harness) {
      const prompt = yield* promptOf(harness.agent, harness.hang)
      const events = yield* harness.agent.use(newConversation(), (session) =>
        Effect.gen(function* () {
          const { fiber, seen } = yield* started(session.run(prompt), isText)
          yield* session.abort
          yield* Fiber.join(fiber)
          return seen
        })
      )
      const ended = endOf(events)
      strictEqual(ended.outcome, "aborted")
      ok(finalText(ended, textOf(events)).includes(textOf(events)))
    })
  },
  {
    title: "a prompt that steers ends the running turn with its text, and is answered once",
    check: Effect.fnUntraced(function* ({ agent, echo, ...harness }) {
      const [first, second] = [
        yield* promptOf(agent, harness.steerable ?? harness.hang),
        yield* promptOf(agent, echo("rather this"), "steer")
      ]
      const [before, after] = yield* agent.use(newConversation(), (session) =>
        Effect.gen(function* () {
          const { fiber, seen } = yield* started(session.run(first), isText)
          const steered = yield* Stream.runCollect(session.run(second))
          yield* Fiber.join(fiber)
          return [seen, steered] as const
        })
      )
      const ended = endOf(before)
      strictEqual(ended.outcome, "completed")
      ok(finalText(ended, textOf(before)).includes(textOf(before)))
      strictEqual(endOf(after).outcome, "completed")
      ok(finalText(endOf(after)).includes("rather this"))
      ok(!finalText(ended).includes("rather this"))
    })
  },
  {
    title: "record of a turn that was steered leaves the prompt that steers it running",
    check: Effect.fnUntraced(function* ({ agent, ask, hang, steerable = hang }) {
      const conversation = newConversation()
      const [first, second] = [yield* promptOf(agent, steerable), yield* promptOf(agent, ask, "steer")]
      const [state, reply, after] = yield* agent.use(conversation, (session) =>
        Effect.gen(function* () {
          const steered = yield* started(session.run(first), isText)
          const { event, fiber, seen } = yield* started(session.run(second), ({ _tag }) => _tag === "RequestOpened")
          yield* Fiber.join(steered.fiber)
          const agentSessionId = yield* Effect.flatMap(session.id, Effect.fromNullishOr)
          const record = yield* agent.record({ agentSessionId, messageId: first.messageId })
          const replied = event._tag === "RequestOpened" ? yield* event.request.reply({ type: "once" }) : "closed"
          yield* Fiber.join(fiber)
          return [record.state, replied, seen] as const
        })
      )
      deepStrictEqual([state._tag, state._tag === "Ended" && state.outcome], ["Ended", "completed"])
      deepStrictEqual([reply, endOf(after).outcome], ["replied", "completed"])
    })
  },
  {
    title: "a prompt that steers runs as any other if nothing runs",
    check: Effect.fnUntraced(function* (harness) {
      const prompt = yield* promptOf(harness.agent, harness.echo("alone"), "steer")
      const events = yield* runAll(harness, newConversation(), prompt)
      strictEqual(endOf(events).outcome, "completed")
      ok(finalText(endOf(events)).includes("alone"))
    })
  },
  {
    title: "interrupting run stops the agent, and the next prompt of the conversation runs",
    check: Effect.fnUntraced(function* (harness) {
      const conversation = newConversation()
      const hanging = yield* promptOf(harness.agent, harness.hang)
      yield* harness.agent.use(conversation, (session) =>
        Effect.flatMap(started(session.run(hanging), isText), ({ fiber }) => Fiber.interrupt(fiber))
      )
      const prompt = yield* promptOf(harness.agent, harness.echo("next"))
      strictEqual(endOf(yield* runAll(harness, conversation, prompt)).outcome, "completed")
    })
  },
  {
    title: "record distinguishes an unknown prompt, an ended one and an unfinished one",
    check: Effect.fnUntraced(function* (harness) {
      const { agent } = harness
      const conversation = newConversation()
      const [unknown, echoed, hanging] = [
        yield* promptOf(agent, "unknown"),
        yield* promptOf(agent, harness.echo("recorded")),
        yield* promptOf(agent, harness.hang)
      ]
      yield* runAll(harness, conversation, echoed)
      const { agentSessionId } = yield* conversation.read
      ok(agentSessionId !== null)
      const record = (prompt: Prompt) => agent.record({ agentSessionId, messageId: prompt.messageId })
      strictEqual((yield* record(unknown)).state._tag, "Absent")
      const ended = yield* record(echoed)
      deepStrictEqual([ended.state._tag, ended.state._tag === "Ended" && ended.state.outcome], ["Ended", "completed"])
      ok(finalText(ended).includes("recorded"))
      yield* agent.use(conversation, (session) =>
        Effect.flatMap(started(session.run(hanging), isText), ({ fiber }) => Fiber.interrupt(fiber))
      )
      const { state } = yield* record(hanging)
      ok(state._tag === "Unfinished" || (state._tag === "Ended" && state.outcome !== "completed"))
    })
  },
  {
    title: "a request is described, replied to once, and closed before the turn ends",
    check: Effect.fnUntraced(function* (harness) {
      const { last, events } = yield* withRequest(harness, (request) =>
        Effect.gen(function* () {
          const { subject } = yield* request.describe
          ok(subject.length > 0)
          strictEqual(yield* request.reply({ type: "once" }), "replied")
        })
      )
      strictEqual(endOf(events).outcome, "completed")
      const tags = tagsOf(events)
      ok(tags.indexOf("RequestClosed") > tags.indexOf("RequestOpened"))
      strictEqual(last, "closed")
    })
  },
  {
    title: "an unanswered request lets the turn continue",
    check: Effect.fnUntraced(function* (harness) {
      const { events } = yield* withRequest(harness, ({ reply }) =>
        Effect.map(reply({ type: "unanswered", reason: "No answer in time." }), (result) =>
          strictEqual(result, "replied")
        )
      )
      strictEqual(endOf(events).outcome, "completed")
    })
  },
  {
    title: "abort closes the open requests of the turn",
    check: Effect.fnUntraced(function* (harness) {
      const { events, last } = yield* withRequest(harness, (_, session) => session.abort)
      deepStrictEqual([endOf(events).outcome, last], ["aborted", "closed"])
    })
  }
]
