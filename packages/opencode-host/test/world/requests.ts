import { assert } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Deferred, Effect, Fiber, Ref, Stream } from "effect"
import { HostError, HostErrorReason, OpenCodeHost, type OpenCodeRequest, type TurnEvent } from "../../src/index.ts"
import { makeHub } from "../../src/internal/server/hub.ts"
import { runTurn } from "../../src/internal/turn/turn.ts"
import { type Asked, endOf, eventually, isPermission, newSession, promptOf, turnHostOver } from "../support.ts"
import { inWorld } from "./inWorld.ts"

const bash = (command: string) => Reply.toolCall("bash", { command, description: "run" })
const question = Reply.toolCall("question", {
  questions: [{ question: "Which?", header: "Pick", options: [{ label: "A", description: "a" }] }]
})

/** `bash printf …` runs a command that is asked, `question` asks, `task: …` delegates the rest to a sub-agent. */
const model = ({ prompt, results }: Asked) => {
  if (results > 0) return Reply.text("Done.")
  if (prompt.startsWith("task: ")) {
    const task = prompt.slice("task: ".length)
    return Reply.toolCall("task", { description: `do ${task}`, prompt: task, subagent_type: "general" })
  }
  return prompt === "question" ? question : prompt.startsWith("bash ") ? bash(prompt.slice(5)) : Reply.text("Hello.")
}

type Requests = ReadonlyArray<OpenCodeRequest>
const openedIn = (events: ReadonlyArray<TurnEvent>): Requests =>
  events.flatMap((event) => (event._tag === "RequestOpened" ? [event.request] : []))
const closedIn = (events: ReadonlyArray<TurnEvent>) =>
  events.flatMap((event) => (event._tag === "RequestClosed" ? [event.requestId] : []))

/** Runs a prompt, and does something with each request that it opens. */
const run = Effect.fnUntraced(function* <A, E>(
  prompt: string,
  onRequest: (request: OpenCodeRequest) => Effect.Effect<A, E, OpenCodeHost>,
  inSession?: string
) {
  const { turn } = yield* OpenCodeHost
  const sessionId = inSession ?? (yield* newSession)
  const events = yield* turn(yield* promptOf(sessionId, prompt)).pipe(
    Stream.tap((event) => (event._tag === "RequestOpened" ? onRequest(event.request) : Effect.void)),
    Stream.runCollect
  )
  return { sessionId, events, opened: openedIn(events), closed: closedIn(events) }
})

const once = (request: OpenCodeRequest) => OpenCodeHost.use(({ reply }) => reply(request, { type: "once" }))

const pathOf = ({ askedBy }: OpenCodeRequest) => askedBy.map(({ agent, task }) => [agent, task])

export const requestsTests = inWorld("the requests of a turn", model, (it) => {
  it.effect("name the tool call and the agent, and are closed by a reply", () =>
    Effect.gen(function* () {
      const { reply } = yield* OpenCodeHost
      const { closed, events, opened, sessionId } = yield* run("bash printf hi", once)
      assert.strictEqual(opened.length, 1)
      const [request] = opened
      if (request === undefined) return
      assert.deepInclude(request, {
        kind: "permission",
        sessionID: sessionId,
        permission: "bash",
        patterns: ["printf hi"]
      })
      assert.deepStrictEqual(request.call, { tool: "bash", input: { command: "printf hi", description: "run" } })
      assert.deepStrictEqual(request.askedBy, [{ sessionId, agent: "build", task: undefined }])
      assert.deepStrictEqual(closed, [request.id])
      assert.strictEqual(endOf(events).outcome, "completed")
      assert.strictEqual(yield* reply(request, { type: "once" }), "closed")
    })
  )

  it.effect("include the permission of a sub-agent, with its task", () =>
    Effect.gen(function* () {
      const { closed, events, opened, sessionId } = yield* run("task: bash printf below", once)
      assert.deepStrictEqual(opened.map(pathOf), [
        [
          ["build", undefined],
          ["general", "do bash printf below"]
        ]
      ])
      assert.notStrictEqual(opened[0]?.sessionID, sessionId)
      assert.deepStrictEqual(opened[0]?.call?.input["command"], "printf below")
      assert.strictEqual(closed.length, 1)
      assert.strictEqual(endOf(events).outcome, "completed")
    })
  )

  it.effect("include the question of a sub-agent's sub-agent", () =>
    Effect.gen(function* () {
      const { reply } = yield* OpenCodeHost
      const { closed, events, opened } = yield* run("task: task: question", (request) =>
        reply(request, { type: "answers", answers: [["A"]] })
      )
      assert.deepStrictEqual(
        opened.map(({ kind }) => kind),
        ["question"]
      )
      assert.deepStrictEqual(opened[0] && pathOf(opened[0]), [
        ["build", undefined],
        ["general", "do task: question"],
        ["general", "do question"]
      ])
      assert.strictEqual(closed.length, 1)
      assert.strictEqual(endOf(events).outcome, "completed")
    })
  )

  it.effect("do not include those of other sessions", () =>
    Effect.gen(function* () {
      const both = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(
        run("bash printf first", (request) => Effect.andThen(Deferred.await(both), once(request)))
      )
      const second = yield* run("bash printf second", (request) =>
        Effect.andThen(Deferred.succeed(both, undefined), once(request))
      )
      const commands = [yield* Fiber.join(first), second].map(({ opened }) =>
        opened.map(({ call }) => call?.input["command"])
      )
      assert.deepStrictEqual(commands, [["printf first"], ["printf second"]])
    })
  )

  it.effect("are closed by a reply of another client", () =>
    Effect.gen(function* () {
      const { client } = yield* OpenCodeHost
      const { closed, opened } = yield* run("task: bash printf elsewhere", ({ id }) =>
        client.permissions.reply(id, "once")
      )
      assert.strictEqual(opened.length, 1)
      assert.deepStrictEqual(
        closed,
        opened.map(({ id }) => id)
      )
    })
  )

  it.effect("are closed when the sub-agent that waits is aborted, and leave OpenCode's list", () =>
    Effect.gen(function* () {
      const { client, reply } = yield* OpenCodeHost
      const { closed, events, opened } = yield* run("task: bash printf never", ({ sessionID }) =>
        client.abort(sessionID)
      )
      const [request] = opened
      assert.deepStrictEqual(
        closed,
        opened.map(({ id }) => id)
      )
      assert.isBelow(
        events.findIndex(({ _tag }) => _tag === "RequestClosed"),
        events.findIndex(({ _tag }) => _tag === "Ended")
      )
      yield* eventually(client.permissions.list, (listed) => listed.length === 0)
      assert.strictEqual(request && (yield* reply(request, { type: "reject" })), "closed")
    })
  )

  it.effect("are closed at the end of an aborted turn, and leave OpenCode's list", () =>
    Effect.gen(function* () {
      const { abort, client } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const { closed, events, opened } = yield* run(
        "task: bash printf never",
        () => Effect.forkDetach(abort(sessionId)),
        sessionId
      )
      assert.strictEqual(endOf(events).outcome, "aborted")
      assert.deepStrictEqual(
        closed,
        opened.map(({ id }) => id)
      )
      yield* eventually(client.permissions.list, (listed) => listed.length === 0)
    })
  )

  it.effect("leave OpenCode's list when the turn is interrupted", () =>
    Effect.gen(function* () {
      const { client, turn } = yield* OpenCodeHost
      yield* turn(yield* promptOf(yield* newSession, "task: bash printf never")).pipe(
        Stream.filter(isPermission),
        Stream.runHead
      )
      yield* eventually(client.permissions.list, (listed) => listed.length === 0)
    })
  )

  // OpenCode stores the end of an aborted tool before the tool stops: an approval could still run its command.
  it.effect("are never approved by an abort", () =>
    Effect.gen(function* () {
      const { client, events, turn } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const replies: Array<string> = []
      yield* events.pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => {
            if (event._tag !== "Event" || event.event.type !== "permission.replied") return
            if (event.event.properties.sessionID === sessionId) replies.push(event.event.properties.reply)
          })
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* turn(yield* promptOf(sessionId, "bash printf never")).pipe(Stream.filter(isPermission), Stream.runHead)
      yield* eventually(client.permissions.list, (listed) => listed.length === 0)
      yield* eventually(
        Effect.sync(() => replies),
        (sent) => sent.length > 0
      )
      assert.deepStrictEqual(replies, ["reject"])
    })
  )

  it.effect("never include a zombie, which is taken off OpenCode's list without rejecting what waits", () =>
    Effect.gen(function* () {
      const { client, reply } = yield* OpenCodeHost
      const sessionId = yield* newSession
      yield* client.prompt(yield* promptOf(sessionId, "bash printf zombie"))
      const [zombie] = yield* eventually(client.permissions.list, (listed) => listed.length === 1)
      yield* client.abort(sessionId)
      yield* eventually(client.sessions.status, (status) => status[sessionId] === undefined)
      assert.strictEqual((yield* client.permissions.list).length, 1)
      const { events, opened } = yield* run(
        "bash printf live",
        (request) =>
          Effect.gen(function* () {
            if (zombie !== undefined) {
              assert.strictEqual(yield* reply({ ...zombie, kind: "permission" }, { type: "reject" }), "closed")
            }
            yield* once(request)
          }),
        sessionId
      )
      assert.deepStrictEqual(
        opened.map(({ call }) => call?.input["command"]),
        ["printf live"]
      )
      assert.strictEqual(endOf(events).outcome, "completed")
      yield* eventually(client.permissions.list, (listed) => listed.length === 0)
    })
  )

  it.effect("are opened and closed once, although events are lost and repeated", () =>
    Effect.gen(function* () {
      const { events, reply } = yield* OpenCodeHost
      const hub = yield* makeHub()
      const lost = new Set<string>()
      // A connection that loses the events of a request; the first one comes again, late.
      yield* events.pipe(
        Stream.runForEach((event) => {
          if (event._tag === "Event" && /^permission\.|^question\./.test(event.event.type)) {
            lost.add(event.event.type)
            return hub.publish({ _tag: "Gap", cause: "error" })
          }
          return hub.publish(event)
        }),
        Effect.forkScoped({ startImmediately: true })
      )
      const told = yield* runTurn(
        yield* turnHostOver(hub),
        yield* promptOf(yield* newSession, "task: bash printf gap")
      ).pipe(
        Stream.tap((event) => {
          if (!isPermission(event)) return Effect.void
          const repeated = { id: "evt", type: "permission.asked", properties: event.request } as const
          return Effect.andThen(reply(event.request, { type: "once" }), hub.publish({ _tag: "Event", event: repeated }))
        }),
        Stream.runCollect
      )
      // Late events of the tests before may be among them.
      assert.includeMembers([...lost], ["permission.asked", "permission.replied"])
      assert.strictEqual(openedIn(told).length, 1)
      assert.deepStrictEqual(
        closedIn(told),
        openedIn(told).map(({ id }) => id)
      )
      assert.strictEqual(endOf(told).outcome, "completed")
    }).pipe(Effect.scoped)
  )

  it.effect("that a gap took are looked for again at the next tick when looking for them has failed", () =>
    Effect.gen(function* () {
      const { client, events, reply } = yield* OpenCodeHost
      const hub = yield* makeHub()
      const asked = yield* Deferred.make<void>()
      const looks = yield* Ref.make(0)
      // A connection that loses the question, and a server that cannot be asked for it the first time.
      yield* events.pipe(
        Stream.runForEach((event) =>
          event._tag === "Event" && event.event.type === "permission.asked"
            ? Effect.andThen(hub.publish({ _tag: "Gap", cause: "error" }), Deferred.succeed(asked, undefined))
            : hub.publish(event)
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      const list = Effect.gen(function* () {
        if ((yield* Ref.updateAndGet(looks, (count) => count + 1)) > 1) return yield* client.permissions.list
        return yield* new HostError({
          reason: new HostErrorReason.Unavailable({ operation: "permissions.list", detail: "busy" })
        })
      })
      const turn = runTurn(
        { ...(yield* turnHostOver(hub)), client: { ...client, permissions: { ...client.permissions, list } } },
        yield* promptOf(yield* newSession, "bash printf hi")
      )
      const seen = yield* turn.pipe(
        Stream.tap((event) => (isPermission(event) ? reply(event.request, { type: "once" }) : Effect.void)),
        Stream.runCollect
      )
      yield* Deferred.await(asked)
      assert.strictEqual(seen.filter(isPermission).length, 1)
      assert.isAtLeast(yield* Ref.get(looks), 2)
      assert.strictEqual(endOf(seen).outcome, "completed")
    }).pipe(Effect.scoped)
  )
})
