/** The state of a scripted deployment, and the functions that read and change it. */
import { type Functions, pending, Refusal, Script } from "./connection.ts"
import { fixtures, type Scenario } from "./fixtures.ts"
import { attachedAt, returnedAt } from "./offers.ts"
import { clock } from "./rows.ts"

type World = ReturnType<typeof fixtures>
type Live = { status: string; deltas: Array<{ seq: number; segments: Array<object> }> }

const page = <A>(
  rows: ReadonlyArray<A>,
  { cursor, numItems }: { readonly cursor: string | null; readonly numItems: number }
) => {
  const from = Number(cursor ?? 0)
  const end = from + Math.min(numItems, 100)
  return { page: rows.slice(from, end), isDone: end >= rows.length, continueCursor: String(end) }
}

const ordered = <A>(rows: ReadonlyArray<A>, order: string) => (order === "desc" ? rows.toReversed() : rows)

/** The functions of the deployment over a world. */
const functionsOf = (world: World, live: Map<string, Live>, changed: () => void): Functions => {
  const turn = (turnId: string) => world.turns.find((each) => each.turnId === turnId)
  const turnsOf = (sessionId: string) => world.turns.filter((each) => each.sessionId === sessionId)
  const command = (result: unknown) => {
    const commandId = `command${Object.keys(world.commands).length}`
    world.commands[commandId] = JSON.stringify(result)
    return commandId
  }
  return {
    "inbox:list": () => world.inbox,
    "inbox:count": () => world.inbox.filter(({ kind, read }) => kind === "asked" || !read).length,
    "inbox:markRead": ({ itemIds }) => {
      world.inbox = world.inbox.filter((each) => !itemIds.includes(each.itemId))
      changed()
      return null
    },
    "inbox:archive": ({ itemId }) => {
      world.inbox = world.inbox.filter((each) => each.itemId !== itemId)
      changed()
      return null
    },
    "workers:list": () => world.workers,
    "pairing:preview": () => ({
      machine: "build-box",
      directory: "/srv/shop",
      permissions: "inherit",
      address: "203.0.113.7",
      createdAt: clock,
      expiresAt: clock + 600_000
    }),
    "pairing:approve": () => "worker1",
    "sessions:list": ({ paginationOpts, workerId }) =>
      page(
        world.sessions.filter((each) => workerId === undefined || each.workerId === workerId),
        paginationOpts
      ),
    "sessions:get": ({ sessionId }) => {
      const session = world.sessions.find((each) => each.sessionId === sessionId)
      if (session === undefined) return null
      const queue = turnsOf(sessionId).filter(({ version }) => version === null)
      return { ...session, todos: world.todos, context: { tokens: 62_000, limit: 100_000 }, changes: null, queue }
    },
    "sessions:watch": () => null,
    "sessions:create": () => "session1",
    "turns:list": ({ order = "asc", paginationOpts, sessionId }) =>
      page(ordered(turnsOf(sessionId), order), paginationOpts),
    "turns:outline": ({ order = "asc", paginationOpts, turnId }) =>
      page(ordered(world.outlines(turnId), order), paginationOpts),
    "turns:part": ({ index, turnId }) => world.part(turnId, index),
    "turns:parts": ({ turnId, paginationOpts }) =>
      page(
        Array.from({ length: world.count(turnId) }, (_, index) => world.part(turnId, index)),
        paginationOpts
      ),
    "turns:prompt": ({ turnId }) => ({ text: turn(turnId)?.head ?? "" }),
    "turns:live": ({ after, turnId }) => {
      const known = live.get(turnId) ?? { status: turn(turnId)?.status ?? "completed", deltas: [] }
      return {
        turnId,
        sessionId: turn(turnId)?.sessionId,
        status: known.status,
        messageId: "message",
        deltas: known.deltas.filter(({ seq }) => seq > after),
        error: null,
        usage: null,
        answeredBy: null
      }
    },
    "turns:send": ({ delivery = "queue", idempotencyKey, sessionId, text }) => {
      const known = world.keys.get(idempotencyKey)
      if (known !== undefined) return known
      const turnId = `sent${world.keys.size}`
      world.keys.set(idempotencyKey, turnId)
      world.addTurn({ turnId, sessionId, head: text, delivery })
      changed()
      return turnId
    },
    "turns:command": ({ arguments: args, idempotencyKey, name, sessionId }) => {
      const turnId = world.keys.get(idempotencyKey) ?? `sent${world.keys.size}`
      if (!world.keys.has(idempotencyKey)) world.addTurn({ turnId, sessionId, head: `/${name} ${args}`.trim() })
      world.keys.set(idempotencyKey, turnId)
      changed()
      return turnId
    },
    "turns:abort": () => null,
    "turns:resend": () => "turn9",
    "models:get": () => world.models,
    "catalog:get": () => world.catalog,
    "files:list": ({ turnId }) => (turnId === "turn1" ? attachedAt : returnedAt)(location.origin),
    "promptQueue:list": ({ sessionId }) =>
      turnsOf(sessionId)
        .filter(({ status }) => status === "queued")
        .map((each) => ({ ...each, createdAt: clock })),
    "promptQueue:edit": ({ text, turnId }) => {
      world.turns = world.turns.map((each) =>
        each.turnId === turnId ? { ...each, head: text, length: text.length } : each
      )
      changed()
      return null
    },
    "promptQueue:move": ({ before, turnId }) => {
      const moved = world.turns.filter((each) => each.turnId === turnId)
      const rest = world.turns.filter((each) => each.turnId !== turnId)
      const at = before === null ? rest.length : rest.findIndex((each) => each.turnId === before)
      world.turns = [...rest.slice(0, at), ...moved, ...rest.slice(at)].map((each, index) => ({
        ...each,
        seq: index + 1
      }))
      changed()
      return null
    },
    "promptQueue:drop": ({ turnId }) => {
      world.turns = world.turns.filter((each) => each.turnId !== turnId)
      changed()
      return null
    },
    "requests:pending": ({ sessionId }) =>
      world.requests.filter((each) => sessionId === undefined || each.sessionId === sessionId),
    "requests:get": ({ requestId }) => {
      const request = world.requests.find((each) => each.requestId === requestId)
      if (request === undefined) throw new Refusal("NotFound", "You have no such request")
      return { ...request, content: world.contents[requestId] }
    },
    "requests:answer": ({ requestId }) => {
      world.requests = world.requests.filter((each) => each.requestId !== requestId)
      world.inbox = world.inbox.filter((each) => each.requestId !== requestId)
      changed()
      return null
    },
    "changes:get": () => world.changes,
    "search:find": ({ kind, text }) =>
      text === "nothing" ? [] : world.found.filter((result) => kind === undefined || result.kind === kind),
    "usage:days": ({ paginationOpts }) => page(world.usage, paginationOpts),
    "devices:list": () => world.devices,
    "devices:add": () => ({ code: "ABCD-EFGH-JKMN-PQRS", expiresAt: clock + 5 * 60_000 }),
    "approvals:list": ({ paginationOpts }) => page(world.approvals, paginationOpts),
    "notifications:list": () => world.targets,
    "queries:ask": ({ query }) => command(world.queries[query.kind]),
    "queries:get": ({ queryId }) => ({ result: world.commands[queryId] ?? null }),
    "queries:close": () => null,
    "sessionActions:undo": () => command({ files: world.undo }),
    "sessionActions:compact": () => command({}),
    "sessionActions:shell": ({ line }) => command({ output: `${line}: done\n`, truncated: false }),
    "commands:get": ({ commandId }) => ({ status: "done", result: world.commands[commandId] ?? null, error: null })
  }
}

/** Functions that are not refused to a device that may only read. */
const reads =
  /^(?:sessions:watch|inbox:markRead)$|:(?:list|get|count|pending|outline|part|parts|prompt|live|find|days)$/

export const makeWorld = (scenario: Scenario) => {
  const world = fixtures(scenario)
  const live = new Map<string, Live>()
  const functions = functionsOf(world, live, () => script.changed())
  const scripted = Object.fromEntries(
    Object.entries(functions).map(([name, run]) => [
      name,
      (args: unknown) => {
        if (scenario === "loading") return pending
        if (scenario === "failing") throw new Refusal("Conflict", "The worker is offline: start it first")
        if (scenario === "read" && !reads.test(name)) throw new Refusal("Forbidden", "This device may only read")
        return run(args)
      }
    ])
  )
  const script = new Script(scripted)
  return {
    script,
    world,
    /** Streams a segment of a running turn. */
    append: (turnId: string, segment: object): void => {
      const known = live.get(turnId) ?? { status: "running", deltas: [] }
      known.deltas.push({ seq: known.deltas.length + 1, segments: [segment] })
      live.set(turnId, known)
      script.changed()
    },
    /** Ends a running turn with the parts of its outline. */
    end: (turnId: string): void => {
      live.set(turnId, { status: "completed", deltas: [] })
      world.endTurn(turnId)
      script.changed()
    }
  }
}
