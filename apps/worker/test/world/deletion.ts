import { assert, describe } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { getFunctionName } from "convex/server"
import { Deferred, Effect, Stream } from "effect"
import { madeForKey } from "../../src/opencode/sessions.ts"
import { Client } from "@opencode-worker/client/effect"
import {
  allSessions,
  answer,
  ask,
  limit,
  loadHistory,
  newSession,
  runWorker,
  schedule,
  script,
  send,
  settled,
  streaming
} from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

const gate = Effect.map(Deferred.make<void>(), (deferred) => ({
  open: Deferred.succeed(deferred, undefined),
  passed: Deferred.await(deferred)
}))

/**
 * A worker's connection that holds the mutation `name`, before it is sent or after its response, until `letGo` opens.
 * Commands and aborts arrive once `deliver` opens. `outcomes`: the outcomes of turns.
 */
const holding = Effect.fnUntraced(function* (name: string, when: "asked" | "answered") {
  const convex = yield* ConvexClient
  const [reached, letGo, deliver] = [yield* gate, yield* gate, yield* gate]
  const outcomes: Array<unknown> = []
  const held = Effect.andThen(reached.open, letGo.passed)
  const worker: ConvexClient["Service"] = {
    ...convex,
    mutation: (mutation, args, ...rest) => {
      if (getFunctionName(mutation) === "queue:finish") outcomes.push(args["outcome"])
      const call = convex.mutation(mutation, args, ...rest)
      if (getFunctionName(mutation) !== name) return call
      return when === "asked" ? Effect.andThen(held, call) : Effect.tap(call, () => held)
    },
    subscribe: (query, args) => {
      const shown = convex.subscribe(query, args)
      const isHeld = ["commands:queued", "queue:aborts"].includes(getFunctionName(query))
      return isHeld ? Stream.tap(shown, () => deliver.passed) : shown
    }
  }
  return { letGo, outcomes, reached, deliver, worker }
})

const ofIt = (sessionId: Id<"sessions">) =>
  OpenCodeHost.use(({ client }) =>
    Effect.map(client.sessions.list(), (all) => all.filter(({ metadata }) => metadata?.[madeForKey] === sessionId))
  )

/** Waits for the sync of a creation and a deletion in OpenCode, so earlier changes are synced too. */
const untilSynced = Effect.gen(function* () {
  const { client } = yield* OpenCodeHost
  const { id } = yield* client.sessions.create({ title: "the last one" })
  const isThere = Effect.map(allSessions, (page) => page.some(({ title }) => title === "the last one"))
  yield* Effect.repeat(isThere, { until: (there) => there, schedule })
  yield* client.sessions.remove(id)
  yield* Effect.repeat(isThere, { until: (there) => !there, schedule })
})

/** Asserts that the session exists neither in the deployment nor in OpenCode, and was not replaced. */
const assertGone = Effect.fnUntraced(function* (sessionId: Id<"sessions">, before: number) {
  const operator = yield* Client
  yield* Effect.repeat(
    operator.call(({ sessions }) => sessions.get(sessionId)),
    { until: (session) => session === null, schedule }
  )
  yield* untilSynced
  assert.deepStrictEqual(yield* ofIt(sessionId), [])
  assert.strictEqual((yield* allSessions).length, before)
})

const sessionOf = (wanted: string) =>
  Effect.map(allSessions, (page) => page.find(({ title }) => title === wanted)?.sessionId)

export const deletionTests = inWorld("in a session", (it) => {
  describe("deleting a session ends its turn as aborted", () => {
    for (const [moment, name, when] of [
      ["while its session is created in OpenCode", "sessions:linkOpenCodeSession", "asked"],
      ["right after its session was created in OpenCode", "sessions:linkOpenCodeSession", "answered"],
      ["right after its claim", "queue:claim", "answered"]
    ] as const) {
      it.effect(
        `${moment}, without a request to the model`,
        () =>
          Effect.gen(function* () {
            const operator = yield* Client
            const provider = yield* ScriptedProvider
            const before = (yield* allSessions).length
            const sessionId = yield* newSession
            const { chats } = yield* provider.stats
            const { letGo, outcomes, reached, deliver, worker } = yield* holding(name, when)
            yield* Effect.provideService(runWorker, ConvexClient, worker)
            yield* deliver.open
            yield* send(sessionId, "never mind")
            yield* reached.passed
            const commandId = yield* operator.call(({ sessions }) => sessions.delete(sessionId))
            if (name === "queue:claim") yield* letGo.open
            assert.deepInclude(yield* settled(commandId), { status: "done" })
            yield* letGo.open
            yield* assertGone(sessionId, before)
            assert.deepStrictEqual(outcomes, ["aborted"])
            assert.strictEqual((yield* provider.stats).chats, chats)
          }),
        limit
      )
    }

    it.effect(
      "when the worker receives the deletion after the refusal to link its session",
      () =>
        Effect.gen(function* () {
          const operator = yield* Client
          const provider = yield* ScriptedProvider
          const before = (yield* allSessions).length
          const sessionId = yield* newSession
          const { chats } = yield* provider.stats
          const { letGo, outcomes, reached, deliver, worker } = yield* holding("sessions:linkOpenCodeSession", "asked")
          yield* Effect.provideService(runWorker, ConvexClient, worker)
          const turnId = yield* send(sessionId, "never mind")
          yield* reached.passed
          const commandId = yield* operator.call(({ sessions }) => sessions.delete(sessionId))
          yield* letGo.open
          assert.deepInclude(yield* answer(turnId), { status: "aborted" })
          yield* deliver.open
          assert.deepInclude(yield* settled(commandId), { status: "done" })
          yield* assertGone(sessionId, before)
          assert.deepStrictEqual(outcomes, ["aborted"])
          assert.strictEqual((yield* provider.stats).chats, chats)
        }),
      limit
    )

    it.effect(
      "in the middle of its text",
      () =>
        Effect.gen(function* () {
          const operator = yield* Client
          const before = (yield* allSessions).length
          const sessionId = yield* newSession
          const { outcomes, deliver, worker } = yield* holding("", "asked")
          yield* Effect.provideService(runWorker, ConvexClient, worker)
          yield* deliver.open
          yield* script(() => Reply.sequence([Reply.text("so far"), Reply.hang]))
          yield* streaming(yield* send(sessionId, "go on without end"))
          assert.deepInclude(yield* settled(yield* operator.call(({ sessions }) => sessions.delete(sessionId))), {
            status: "done"
          })
          yield* assertGone(sessionId, before)
          assert.deepStrictEqual(outcomes, ["aborted"])
        }),
      limit
    )
  })

  describe("a session", () => {
    it.effect(
      "gets the title in OpenCode that it received while it was created there",
      () =>
        Effect.gen(function* () {
          const operator = yield* Client
          const sessionId = yield* newSession
          const { letGo, reached, deliver, worker } = yield* holding("sessions:linkOpenCodeSession", "asked")
          yield* Effect.provideService(runWorker, ConvexClient, worker)
          yield* deliver.open
          const turnId = yield* send(sessionId, "rename me")
          yield* reached.passed
          assert.deepInclude(
            yield* settled(yield* operator.call(({ sessions }) => sessions.rename(sessionId, "a better title"))),
            { status: "done" }
          )
          yield* letGo.open
          assert.deepInclude(yield* answer(turnId), { status: "completed" })
          assert.deepStrictEqual(
            (yield* ofIt(sessionId)).map(({ title }) => title),
            ["a better title"]
          )
        }),
      limit
    )

    it.effect(
      "is reported as deleted on a rename or load if the worker missed its deletion in OpenCode",
      () =>
        Effect.gen(function* () {
          const { client } = yield* OpenCodeHost
          const operator = yield* Client
          const mirrored = (title: string) =>
            Effect.repeat(sessionOf(title), { until: (found) => found !== undefined, schedule })
          const own = yield* newSession
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* runWorker
              yield* ask(own, "remember me")
              for (const title of ["to rename", "to load"]) {
                yield* client.sessions.create({ title })
                yield* mirrored(title)
              }
            })
          )
          for (const { id } of yield* client.sessions.list()) yield* client.sessions.remove(id)
          yield* runWorker
          const why = { status: "failed" as const, error: "OpenCode has deleted this session." }
          const [toRename, toLoad] = [yield* sessionOf("to rename"), yield* sessionOf("to load")]
          if (toRename === undefined || toLoad === undefined) return assert.fail("The sessions are missing")
          assert.deepInclude(
            yield* settled(yield* operator.call(({ sessions }) => sessions.rename(toRename, "gone"))),
            why
          )
          assert.deepInclude(yield* loadHistory(toLoad), why)
          assert.deepInclude(yield* loadHistory(own), why)
          for (const sessionId of [toRename, toLoad]) {
            yield* Effect.repeat(
              operator.call(({ sessions }) => sessions.get(sessionId)),
              { until: (session) => session === null, schedule }
            )
          }
          const { notices, text } = yield* ask(own, "who am I?")
          assert.strictEqual(text, "1: who am I?")
          assert.match(notices.join(), /no longer had this session/)
        }),
      limit
    )
  })
})
