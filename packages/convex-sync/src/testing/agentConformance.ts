/**
 * The checks that every implementation of `Agent` passes. They use no test runner: run each as a test of its own.
 *
 * @example
 * for (const { check, title } of agentConformance) {
 *   it.effect(title, () => Effect.scoped(Effect.flatMap(makeHarness, check)))
 * }
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import type { Prompt } from "../Agent.ts"
import {
  type AgentHarness,
  newConversation,
  promptOf,
  tagsOf,
  textOf,
  finalText,
  endOf,
  runAll,
  started,
  isText,
  withRequest
} from "./agentRuns.ts"

export interface AgentCheck {
  readonly title: string
  readonly check: (harness: AgentHarness) => Effect.Effect<void, unknown>
}

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
