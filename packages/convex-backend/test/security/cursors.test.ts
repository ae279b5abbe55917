/**
 * Forged cursors at every paginated public function: an operator never gets a row of another one, whichever key is written
 * into a cursor, at the start or the end of a page, or into the journal of a subscription.
 */
import { once } from "node:events"
import { type ConvexHttpClient } from "convex/browser"
import { makeFunctionReference, type PaginationResult } from "convex/server"
import { ConvexError, type Value } from "convex/values"
import { assert, describe, it } from "vitest"
import { api } from "../../src/api.ts"
import {
  answerRequest,
  enlist,
  ids,
  newSession,
  openRequest,
  permission,
  send,
  sha256,
  useDeployment
} from "../support/deployment.ts"
import { publicFunctions } from "../support/functions.ts"

const functions = await publicFunctions()
const deployment = useDeployment()

/** An operator with at least two rows of each kind that has pages. */
const world = async () => {
  const { subject, client: operator } = await signedIn()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId, `of ${subject}`)
  await newSession(operator, worker.workerId, `also of ${subject}`)
  const turnId = await send(operator, sessionId, `from ${subject}`)
  await send(operator, sessionId, `also from ${subject}`)
  await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
  for (const name of ["phone", "laptop"]) await operator.mutation(api.devices.add, { name, scope: "read" })
  for (const scope of ["one", "two"]) {
    const card = { ...permission, opencodeId: scope, always: { scope, label: `${scope} of ${subject}` } }
    await answerRequest(operator, await openRequest(operator, { ...worker, turnId, ...card }), { type: "always" })
  }
  const parts = [0, 1, 2].map((index) => ({ index, kind: "text", payload: JSON.stringify({ of: subject, index }) }))
  const usage = { input: 1, output: 1, reasoning: 0, cost: 0 }
  const answeredBy = { model: "p/one", agent: "build" }
  await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", usage, answeredBy, parts })
  const other = await send(operator, await newSession(operator, worker.workerId))
  await operator.mutation(api.queue.claim, { ...worker, turnId: other, ...ids })
  await operator.mutation(api.queue.finish, { ...worker, turnId: other, outcome: "completed", usage, parts: [] })
  await operator.mutation(api.pairing.rotate, { ...worker, secretHash: sha256(subject) })
  return { operator, sessionId, subject, turnId, worker }
}
type World = Awaited<ReturnType<typeof world>>

const signedIn = async () => {
  const subject = crypto.randomUUID()
  const client = deployment().anonymous()
  const token = await deployment().token(subject)
  client.setAuth(token)
  return { client, subject }
}

/** The arguments in addition to `paginationOpts`. The first test fails for a paginated function that is missing here. */
const paginated: Record<string, (world: World) => Record<string, Value>> = {
  "sessions:list": () => ({}),
  "turns:list": ({ sessionId }) => ({ sessionId }),
  "turns:parts": ({ turnId }) => ({ turnId }),
  "turns:outline": ({ turnId }) => ({ turnId }),
  "devices:audit": () => ({}),
  "usage:days": () => ({ from: "2000-01-01", to: "3000-01-01" }),
  "approvals:list": ({ worker }) => ({ workerId: worker.workerId }),
  "workers:audit": ({ worker }) => ({ workerId: worker.workerId })
}

type Page = PaginationResult<Record<string, Value>>

const read = (client: ConvexHttpClient, path: string, args: Record<string, Value>, opts: object = {}): Promise<Page> =>
  client.query(makeFunctionReference<"query", Record<string, Value>, Page>(path), {
    ...args,
    paginationOpts: { cursor: null, numItems: 1, ...opts }
  })

/** Index keys below, above and among all others, and none. */
const KEYS = ["", "00", "01", "02", "07", "08", "0a", "ff", "ffff", "07ff", "deadbeef".repeat(8)]

/** `pnpm test:full` flips a bit of each byte of a cursor. */
const FLIP_STEP = process.env["TEST_FULL"] === undefined ? 5 : 1

/** Forgeries from own and foreign cursors: other keys behind a prefix, cuts, flips, splices, and noise. */
const forgeries = (own: string, foreign: ReadonlyArray<string>): ReadonlyArray<string> => {
  const bytes = Buffer.from(own, "base64url")
  const flip = (at: number) =>
    Buffer.from(bytes.map((byte, i) => (i === at ? byte ^ 0x80 : byte))).toString("base64url")
  return [
    ...KEYS.map((key) => `${own.split(".")[0]}.${Buffer.from(key, "hex").toString("base64url")}`),
    ...KEYS.map((key) => Buffer.concat([bytes.subarray(0, 17), Buffer.from(key, "hex")]).toString("base64url")),
    ...foreign.map((other) =>
      Buffer.concat([bytes.subarray(0, 16), Buffer.from(other, "base64url").subarray(16)]).toString("base64url")
    ),
    ...foreign,
    own.slice(0, -2),
    `${own}AA`,
    ...Array.from({ length: Math.ceil(bytes.length / FLIP_STEP) }, (_, index) => flip(index * FLIP_STEP)),
    "",
    "null",
    crypto.randomUUID()
  ].filter((cursor) => cursor !== own)
}

const shared = <A>(make: () => Promise<A>) => {
  let made: Promise<A> | undefined
  return () => (made ??= make())
}
const attacker = shared(world)
const victim = shared(world)

/** All own rows of a function, as text; and cursors: one in the middle of the own rows, and those of others. */
const known = async (path: string) => {
  const [own, other] = [await attacker(), await victim()]
  const argsOf = paginated[path]!
  const args = argsOf(own)
  const all = new Set((await read(own.operator, path, args, { numItems: 20 })).page.map((row) => JSON.stringify(row)))
  const middle = await read(own.operator, path, args)
  assert.isFalse(middle.isDone, "there are more rows than a page has")
  const elsewhere = await Promise.all(
    Object.entries(paginated).map(async ([name, argsOfIt]) =>
      name === path
        ? (await read(other.operator, path, argsOf(other))).continueCursor
        : (await read(own.operator, name, argsOfIt(own))).continueCursor
    )
  )
  return { all, args, cursors: forgeries(middle.continueCursor, elsewhere), operator: own.operator, own }
}

describe("forged cursors", () => {
  it("are tested for every paginated public function", () => {
    const paths = functions.filter(({ args }) => args.includes("paginationOpts")).map(({ path }) => path)
    assert.sameMembers(Object.keys(paginated), paths)
  })

  it.each(Object.keys(paginated))("%s refuses them, at the start and at the end of a page", async (path) => {
    const { all, args, cursors, operator } = await known(path)
    for (const cursor of cursors) {
      for (const opts of [{ cursor }, { endCursor: cursor }, { cursor, endCursor: cursor, numItems: 20 }]) {
        const { cause, found } = await read(operator, path, args, opts).then(
          ({ page }) => ({ cause: null, found: page }),
          (failure: unknown) => ({ cause: failure, found: [] })
        )
        const foreign = found.filter((row) => !all.has(JSON.stringify(row)))
        assert.isEmpty(foreign, `rows of others with ${JSON.stringify(opts)}`)
        if (!(cause instanceof ConvexError)) throw cause ?? new Error(`Accepted: ${JSON.stringify(opts)}`)
        assert.deepInclude(cause.data, { paginationError: "InvalidCursor" })
      }
    }
  })

  it.each(Object.keys(paginated))("%s refuses them as the journal of a subscription", async (path) => {
    const { args, cursors, own } = await known(path)
    const socket = new WebSocket(`${deployment().url.replace("http", "ws")}/api/1.49.0/sync`)
    await once(socket, "open")
    const messages: Array<{
      type: string
      modifications?: Array<{ type: string; errorMessage?: string; value?: unknown }>
    }> = []
    const complete = new Promise<void>((resolve) => {
      socket.addEventListener("message", ({ data }) => {
        messages.push(JSON.parse(String(data)))
        if (messages.flatMap(({ modifications = [] }) => modifications).length >= cursors.length) resolve()
      })
    })
    const modifications = cursors.map((journal, queryId) => ({
      args: [{ ...args, paginationOpts: { cursor: null, numItems: 1 } }],
      journal,
      queryId,
      type: "Add",
      udfPath: path
    }))
    for (const message of [
      { connectionCount: 0, lastCloseReason: null, sessionId: crypto.randomUUID(), type: "Connect" },
      { baseVersion: 0, tokenType: "User", type: "Authenticate", value: await deployment().token(own.subject) },
      { baseVersion: 0, modifications, newVersion: 1, type: "ModifyQuerySet" }
    ]) {
      socket.send(JSON.stringify(message))
    }
    await complete
    socket.close()
    for (const change of messages.flatMap(({ modifications: changes = [] }) => changes)) {
      assert.strictEqual(change.type, "QueryFailed", JSON.stringify(change))
      assert.include(change.errorMessage, "InvalidCursor")
    }
  })
})
