/**
 * OpenCode as an `Agent` of convex-sync: opencode-host behind a pool of open sessions.
 *
 * The pool is the only admission of turns. Its resource is the OpenCode session of a session of the deployment, which the first `run`
 * opens: only a claimed turn may create one, so that deleting a session finds every OpenCode session of it.
 */
import { Agent, AgentError, AgentReason, type AgentSession, type Conversation } from "@opencode-worker/convex-sync"
import { ModelCache } from "@opencode-worker/model-cache"
import { ascendingId, OpenCodeHost, type TurnBudget } from "@opencode-worker/opencode-host"
import { SessionPool } from "@opencode-worker/session-pool"
import { Context, Effect, FileSystem, Layer, Stream } from "effect"
import { Catalog, checkName, checkVariant } from "./catalog.ts"
import { type OpenSession, openSession } from "./openSession.ts"
import { toAgentError } from "./errors.ts"
import { toAgentEvents } from "./events.ts"
import { slowDelivery } from "./notices.ts"
import { emitAfter, mapEvents } from "./eventStream.ts"
import { acceptedFiles, chosenModel } from "./promptFiles.ts"
import { openCodeRecord } from "./record.ts"
import { openCodeSessions } from "./sessions.ts"
import { whenRunning, whileGivenUp } from "./startup.ts"

/** Maximum number of concurrent turns, and of sessions whose OpenCode session stays open. */
export const capacity = 20
/** After this idle time, a session is looked up again at its next turn. */
const idleTimeToLive = "5 minutes"
/** Time limit of a turn. OpenCode stops waiting for a hanging model after about half an hour. */
const deadline = "1 hour"
/** After this time, the operator sees why a prompt is not delivered yet. */
const slowDeliveryAfter = "5 seconds"

/** The pooled resource. `session` is set while the session is known to exist in OpenCode. */
interface Slot {
  session: OpenSession | undefined
}

const least = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)

/** The smaller limit of each kind. */
const smallest = (one: TurnBudget | undefined, other: TurnBudget | null): TurnBudget | undefined =>
  one === undefined && other === null
    ? undefined
    : { cost: least(one?.cost, other?.cost), tokens: least(one?.tokens, other?.tokens) }

/** Opens slots. A session that OpenCode deletes is forgotten at once, so that the next turn opens a new one. */
const makeSlots = Effect.gen(function* () {
  const { listen } = yield* OpenCodeHost
  const slots = new Set<Slot>()
  yield* listen(({ type }) => type === "session.deleted").pipe(
    Stream.runForEach((element) =>
      Effect.sync(() => {
        if (element._tag === "Gap" || element.event.type !== "session.deleted") return
        const { id } = element.event.properties.info
        for (const slot of slots) if (slot.session?.id === id) slot.session = undefined
      })
    ),
    Effect.forkScoped
  )
  return Effect.acquireRelease(
    Effect.sync(() => {
      const slot: Slot = { session: undefined }
      slots.add(slot)
      return slot
    }),
    (slot) => Effect.sync(() => slots.delete(slot))
  )
})

const make = Effect.fnUntraced(function* (workerBudget: TurnBudget | undefined) {
  const host = yield* OpenCodeHost
  const models = yield* ModelCache
  const all = yield* Effect.context<Catalog | FileSystem.FileSystem | ModelCache | OpenCodeHost>()
  // Only the services: a turn keeps its own span and its own annotations.
  const context = Context.pick(Catalog, FileSystem.FileSystem, ModelCache, OpenCodeHost)(all)
  const openSlot = yield* makeSlots
  const pool = yield* SessionPool.make({ open: () => openSlot, capacity, idleTimeToLive, name: "opencode" })

  const sessionIn = (slot: Slot, conversation: Conversation): AgentSession => {
    const opened = Effect.suspend(() =>
      slot.session === undefined
        ? Effect.tap(Effect.provideContext(openSession(conversation), context), (session) =>
            Effect.sync(() => {
              slot.session = session
            })
          )
        : Effect.succeed(slot.session)
    )
    return {
      id: Effect.sync(() => slot.session?.id ?? null),
      abort: Effect.suspend(() => (slot.session === undefined ? Effect.void : host.abort(slot.session.id))).pipe(
        Effect.mapError(toAgentError)
      ),
      run: ({ agent, budget, command, delivery, files, messageId, model, partId, text, variant }) => {
        let isDelivered = false
        const turn = Effect.gen(function* () {
          // OpenCode chooses the values that the prompt omits, by its configuration, the agent and the session.
          const named = model === null ? undefined : yield* models.resolve(model)
          const session = yield* opened
          if (agent !== null) yield* checkName("agent", agent)
          if (command !== null) yield* checkName("command", command)
          const isModelNeeded = files.length > 0 || variant !== null
          const target = isModelNeeded
            ? (named ?? (yield* chosenModel(host.client, models.get, session.id, agent)))
            : undefined
          if (variant !== null) yield* checkVariant(target, variant)
          const turnEvents = host.turn({
            sessionId: session.id,
            messageId,
            partId,
            text: command === null ? text : text.slice(`/${command}`.length).trim(),
            command: command ?? undefined,
            budget: smallest(workerBudget, budget),
            files: yield* Effect.fromResult(acceptedFiles(files, target)),
            model: named?.id,
            agent: agent ?? undefined,
            variant: variant ?? undefined,
            steer: delivery === "steer",
            leaveAsking: true,
            deadline
          })
          return mapEvents(turnEvents, (event) => {
            isDelivered ||= event._tag === "Delivered"
            // Deleted at OpenCode's own terminal before it stored the prompt.
            if (!isDelivered && event._tag === "Ended" && event.error?.name === "SessionDeleted") {
              return Effect.fail(new AgentError({ reason: new AgentReason.SessionGone(event.error) }))
            }
            return Effect.provideContext(toAgentEvents(session, messageId, event), context)
          })
        })
        return Stream.unwrap(Effect.provideContext(Effect.andThen(whileGivenUp, turn), context)).pipe(
          emitAfter(slowDeliveryAfter, slowDelivery, () => !isDelivered),
          Stream.mapError((error) => {
            const mapped = toAgentError(error)
            if (mapped.reason._tag === "SessionGone") slot.session = undefined
            return mapped
          })
        )
      }
    }
  }

  return Agent.of({
    promptIds: Effect.zipWith(ascendingId("msg"), ascendingId("prt"), (messageId, partId) => ({ messageId, partId })),
    use: (conversation, f) =>
      // A prompt waits for an OpenCode that can run it.
      Effect.andThen(
        whenRunning,
        pool.use(conversation.sessionId, (slot) => Effect.result(f(sessionIn(slot, conversation))))
      ).pipe(
        Effect.provideContext(context),
        Effect.mapError((error) => new AgentError({ reason: new AgentReason.Unavailable({ message: error.message }) })),
        Effect.flatMap(Effect.fromResult)
      ),
    record: (prompt) => Effect.provideContext(openCodeRecord(prompt), context),
    sessions: yield* openCodeSessions
  })
})

/** Requires the lease. `budget`: of each turn; a prompt may have a smaller one. */
export const openCodeAgent = (
  budget?: TurnBudget
): Layer.Layer<Agent, never, Catalog | FileSystem.FileSystem | ModelCache | OpenCodeHost> =>
  Layer.effect(Agent, make(budget))
