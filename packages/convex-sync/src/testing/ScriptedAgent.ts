/** An agent in memory that does what a script says. It runs no model. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import {
  Agent,
  type AgentEvent,
  type AgentSession,
  type Prompt,
  type PromptRecord,
  type RequestCard
} from "../Agent.ts"
import { AgentError } from "../AgentError.ts"
import { type AgentReason, Busy } from "../AgentReason.ts"
import type { FinalPart } from "../TurnResult.ts"

/** One thing that the agent does for a prompt, after the one before it. */
export type ScriptStep =
  /** Before the first other step: the prompt is not delivered, and `run` fails. */
  | { readonly fail: AgentReason }
  /** Streams text, and stores it as a part. */
  | { readonly say: string }
  /** Asks for a permission, or a question, and waits for the reply. */
  | { readonly ask: RequestCard }
  /** Runs an effect, for example one that never ends. */
  | { readonly wait: Effect.Effect<unknown> }
  | { readonly event: AgentEvent }

export interface ScriptedAgentOptions {
  /** The steps for a prompt. Called at each `run` that delivers or fails to deliver it. */
  readonly script: (prompt: Prompt) => ReadonlyArray<ScriptStep>
  /** Turns that run at once. Default 20. */
  readonly capacity?: number
}

export interface ScriptedAgent {
  readonly agent: Agent["Service"]
  /** Prompts in the order in which they were delivered. A prompt that was sent twice is here once. */
  readonly delivered: ReadonlyArray<Prompt>
  /** Replies to requests, in their order. */
  readonly replies: ReadonlyArray<readonly [requestId: string, type: string]>
}

type End = Extract<PromptRecord["state"], { readonly _tag: "Ended" }>

interface Record {
  readonly texts: Array<string>
  end: End | undefined
}

const partsOf = (texts: ReadonlyArray<string>): ReadonlyArray<FinalPart> =>
  texts.map((text, index) => ({ index, kind: "text", payload: JSON.stringify({ text }) }))

export const make = ({ capacity = 20, script }: ScriptedAgentOptions): ScriptedAgent => {
  const delivered: Array<Prompt> = []
  const replies: Array<readonly [string, string]> = []
  const records = new Map<string, Record>()
  /** How to stop the newest turn of a session: by an abort, or by a prompt that steers it. */
  const running = new Map<string, Deferred.Deferred<"aborted" | "completed">>()
  /** The prompt of that turn. */
  const newest = new Map<string, string>()
  const places = Semaphore.makeUnsafe(capacity)
  let ids = 0

  const endedBy = (messageId: string): AgentEvent => {
    const record = records.get(messageId)
    const end = record?.end ?? { _tag: "Ended", outcome: "interrupted" }
    return { ...end, parts: () => partsOf(record?.texts ?? []) }
  }

  const ask = Effect.fnUntraced(function* (
    events: Queue.Queue<AgentEvent, AgentError | Cause.Done>,
    card: RequestCard
  ) {
    const id = `request_${++ids}`
    const replied = yield* Deferred.make<void>()
    yield* Queue.offer(events, {
      _tag: "RequestOpened",
      request: {
        id,
        describe: Effect.succeed(card),
        reply: ({ type }) =>
          Effect.suspend(() => {
            if (Deferred.isDoneUnsafe(replied)) return Effect.succeed("closed" as const)
            replies.push([id, type])
            return Effect.as(Deferred.succeed(replied, undefined), "replied" as const)
          })
      }
    })
    yield* Effect.ensuring(Deferred.await(replied), Deferred.succeed(replied, undefined))
    yield* Queue.offer(events, { _tag: "RequestClosed", requestId: id })
  })

  const perform = Effect.fnUntraced(function* (
    events: Queue.Queue<AgentEvent, AgentError | Cause.Done>,
    steps: ReadonlyArray<ScriptStep>,
    { messageId, partId }: Prompt
  ) {
    const texts = records.get(messageId)?.texts ?? []
    for (const step of steps) {
      if ("say" in step) {
        texts.push(step.say)
        yield* Queue.offer(events, {
          _tag: "TextDelta",
          partId: `${partId}_${texts.length}`,
          kind: "text",
          text: step.say
        })
      } else if ("ask" in step) yield* ask(events, step.ask)
      else if ("wait" in step) yield* step.wait
      else if ("event" in step) yield* Queue.offer(events, step.event)
    }
  })

  const run = (sessionId: string, prompt: Prompt) =>
    Effect.gen(function* () {
      const { messageId } = prompt
      const before = running.get(sessionId)
      if (before !== undefined && prompt.delivery === "queue") {
        return Stream.fail(new AgentError({ reason: new Busy({ message: "Another program uses this session." }) }))
      }
      const known = records.get(messageId)
      const steps = known === undefined ? script(prompt) : []
      const [first] = steps
      if (first !== undefined && "fail" in first) return Stream.fail(new AgentError({ reason: first.fail }))
      const record: Record = known ?? { texts: [], end: undefined }
      records.set(messageId, record)
      if (known === undefined) delivered.push(prompt)
      const stopped = yield* Deferred.make<"aborted" | "completed">()
      const events = yield* Queue.unbounded<AgentEvent, AgentError | Cause.Done>()
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          running.set(sessionId, stopped)
          newest.set(sessionId, messageId)
        }),
        () =>
          Effect.sync(() => {
            if (running.get(sessionId) === stopped) running.delete(sessionId)
            record.end ??= { _tag: "Ended", outcome: "aborted" }
          })
      )
      // The turn that is steered ends with what it has.
      if (before !== undefined) yield* Deferred.succeed(before, "completed")
      yield* Queue.offer(events, { _tag: "Delivered" })
      yield* perform(events, steps, prompt).pipe(
        Effect.as("completed" as const),
        Effect.raceFirst(Deferred.await(stopped)),
        Effect.tap((outcome) => {
          record.end ??= { _tag: "Ended", outcome }
          return Queue.offer(events, endedBy(messageId))
        }),
        Effect.forkScoped
      )
      return Stream.takeUntil(Stream.fromQueue(events), ({ _tag }) => _tag === "Ended")
    })

  const sessionOf = (sessionId: string): AgentSession => ({
    id: Effect.succeed(sessionId),
    run: (prompt) => Stream.unwrap(run(sessionId, prompt)),
    abort: Effect.suspend(() => {
      const stopped = running.get(sessionId)
      return stopped === undefined ? Effect.void : Deferred.succeed(stopped, "aborted")
    })
  })

  return {
    delivered,
    replies,
    agent: Agent.of({
      promptIds: Effect.sync(() => ({ messageId: `message_${++ids}`, partId: `part_${ids}` })),
      use: (conversation, f) =>
        Semaphore.withPermits(
          places,
          1
        )(
          Effect.gen(function* () {
            const { agentSessionId } = yield* conversation.read
            const id = agentSessionId ?? `session_${conversation.sessionId}`
            if (agentSessionId === null) yield* conversation.link(id)
            return yield* f(sessionOf(id))
          })
        ),
      record: ({ agentSessionId, messageId }) =>
        Effect.sync(() => {
          const record = records.get(messageId)
          // Another prompt has taken over.
          const stopped = newest.get(agentSessionId) === messageId ? running.get(agentSessionId) : undefined
          if (stopped !== undefined) Deferred.doneUnsafe(stopped, Exit.succeed("aborted"))
          return {
            state: record === undefined ? { _tag: "Absent" } : (record.end ?? { _tag: "Unfinished" }),
            parts: () => partsOf(record?.texts ?? [])
          }
        }),
      sessions: { events: Stream.never, list: () => Effect.succeed([]) }
    })
  }
}
