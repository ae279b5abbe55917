/** Forged, foreign and damaged cursors: a page never has a document that its query does not have. */
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { anyApi, defineSchema, defineTable } from "convex/server"
import { v } from "convex/values"
import { assert, describe, it, onTestFinished } from "vitest"
import { Catalog, type SchemaJson } from "../../src/internal/storage/catalog.ts"
import { Cursors, type Position, type QueryCursors } from "../../src/internal/query/cursors.ts"
import { encodeKey, HIGHEST, LOWEST } from "../../src/internal/values/keys.ts"
import { page, type SerializedQuery, stream } from "../../src/internal/query/query.ts"
import { Store } from "../../src/internal/storage/store.ts"
import { Transaction } from "../../src/internal/query/transaction.ts"
import { insert } from "../../src/internal/query/writes.ts"
import { connectHttp, deploy, temporaryFolder } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"
import { project } from "../project.ts"
import { randomOf } from "../random.ts"
import { connectFrame, nextMessage, openSocket } from "../raw.ts"

const SEED = 41
const random = randomOf(SEED)
const below = (limit: number): number => Math.floor(random() * limit)
const pick = <A>(list: ReadonlyArray<A>): A => list[below(list.length)]!

const schema = defineSchema({
  rows: defineTable({ owner: v.string(), rank: v.number(), text: v.string() })
    .index("by_owner_rank", ["owner", "rank"])
    .searchIndex("search_text", { filterFields: ["owner"], searchField: "text" })
})

const OWNERS = ["ann", "bob", "cy"]
const WORDS = ["red", "green", "blue", "pink"]

/** A store with documents of several owners. */
const filled = () => {
  const store = Store.open(join(temporaryFolder(), "data.sqlite"), "normal")
  onTestFinished(() => store.close())
  const catalog = new Catalog(store)
  catalog.sync(JSON.parse((schema as unknown as { export: () => string }).export()) as SchemaJson)
  const writing = new Transaction(store, catalog, "write")
  for (let i = 0; i < 90; i++) insert(writing, "rows", { owner: pick(OWNERS), rank: below(10), text: pick(WORDS) })
  writing.commit()
  return { catalog, cursors: new Cursors(store.secret("cursors")), store }
}

const operators = () => (random() < 0.3 ? [{ filter: { $lt: [{ $field: "rank" }, { $literal: below(10) }] } }] : [])

const queries: ReadonlyArray<() => SerializedQuery> = [
  () => ({
    operators: operators(),
    source: { order: pick(["asc", "desc", null]), tableName: "rows", type: "FullTableScan" }
  }),
  () => ({
    operators: operators(),
    source: {
      indexName: "rows.by_owner_rank",
      order: pick(["asc", "desc", null]),
      range: [
        { fieldPath: "owner", type: "Eq", value: pick(OWNERS) },
        ...(random() < 0.5 ? [{ fieldPath: "rank", type: pick(["Gt", "Gte"] as const), value: below(5) }] : []),
        ...(random() < 0.5 ? [{ fieldPath: "rank", type: pick(["Lt", "Lte"] as const), value: 4 + below(6) }] : [])
      ],
      type: "IndexRange"
    }
  }),
  () => ({
    operators: operators(),
    source: {
      filters: [
        { fieldPath: "text", type: "Search", value: pick(WORDS) },
        { fieldPath: "owner", type: "Eq", value: pick(OWNERS) }
      ],
      indexName: "rows.search_text",
      type: "Search"
    }
  })
]

/** Any key: of the index of a query, of other documents, or none. */
const anyKey = () =>
  pick([
    () => LOWEST,
    () => HIGHEST,
    () => randomBytes(below(40)),
    () => encodeKey([pick(OWNERS)]),
    () => encodeKey([pick(OWNERS), below(10), Date.now() * random(), ""]),
    () => encodeKey([below(2) * Date.now()]),
    () => encodeKey([null])
  ])()

const anyPosition = (): Position => (random() < 0.15 ? pick(["start", "end"] as const) : anyKey())

const ROUNDS = 3000

describe("cursors", () => {
  it(`only narrow the range of their query, even with authentic positions (seed ${SEED})`, () => {
    const { catalog, cursors, store } = filled()
    const read = <A>(use: (transaction: Transaction) => A): A => use(new Transaction(store, catalog, "read"))
    let returned = 0
    for (let round = 0; round < ROUNDS; round++) {
      const query = pick(queries)()
      const { cursor, seal } = sealingAnything(cursors)
      const places = [anyPosition(), anyPosition(), anyPosition()].map((place) => (random() < 0.4 ? null : place))
      const [start = null, end = null, journal = null] = places.map((place) => (place === null ? null : seal(place)))
      const request = { cursor: start, endCursor: end, pageSize: below(12), query }
      const found = read((transaction) => page(cursor, transaction, request, journal).page)
      const all = new Set(read((transaction) => Array.from(stream(transaction, query), ({ json }) => json)))
      assert.isTrue(
        found.every((json) => all.has(json)),
        JSON.stringify({ query, request })
      )
      returned += found.length
    }
    assert.isAbove(returned, ROUNDS, "the rounds are about documents")
  })

  it("that are random, damaged or foreign are rejected as start, end and journal", () => {
    const { catalog, cursors, store } = filled()
    const [query, other] = [queries[1]!(), queries[0]!()]
    const read = (
      from: Cursors,
      { cursor = null, endCursor = null, journal = null }: Record<string, string | null>,
      of = query
    ) => page(from, new Transaction(store, catalog, "read"), { cursor, endCursor, pageSize: 1, query: of }, journal)
    const own = read(cursors, {}, { ...query, operators: [] }).continueCursor
    const bytes = Buffer.from(own, "base64url")
    const flipped = Array.from({ length: bytes.length * 8 }, (_, bit) => {
      const changed = Buffer.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      return changed.toString("base64url")
    })
    const forged = [
      "",
      ".",
      "null",
      own.slice(0, -1),
      own + "A",
      own + "=",
      own.slice(0, 12) + "." + HIGHEST.toString("base64url"),
      read(cursors, {}, other).continueCursor,
      read(new Cursors(randomBytes(32)), {}, { ...query, operators: [] }).continueCursor,
      ...Array.from(own, (_, cut) => own.slice(0, cut)),
      ...Array.from({ length: 200 }, () => randomBytes(below(80)).toString("base64url")),
      ...flipped
    ]
    for (const place of ["cursor", "endCursor", "journal"]) {
      for (const text of forged) {
        assert.throws(
          () => read(cursors, { [place]: text }, { ...query, operators: [] }),
          /^InvalidCursor: .*Start over/,
          text
        )
      }
    }
  })

  it("reveal no index keys, and are equal for equal positions", () => {
    const { seal } = new Cursors(randomBytes(32)).of("query")
    const key = encodeKey(["a secret of another field"])
    assert.equal(seal(key), seal(key))
    assert.notInclude(Buffer.from(seal(key), "base64url").toString("latin1"), "secret")
  })
})

/** The same cursors, and a `seal` for the query that was asked for last: as an attacker with the key would have it. */
const sealingAnything = (cursors: Cursors) => {
  const own: QueryCursors = cursors.of("any")
  return { cursor: { of: () => own } as unknown as Cursors, seal: own.seal }
}

const pageOf = (channel: string, cursor: string | null, endCursor?: string) => ({
  channel,
  paginationOpts: { cursor, numItems: 2, ...(endCursor === undefined ? {} : { endCursor }) }
})

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    (value) => assert.fail(`it returned ${JSON.stringify(value)}`),
    (cause: Error & { data?: unknown }) => cause
  )

const readList = (url: string, name: string, cursor: string | null) =>
  connectHttp({ url }).query(anyApi["list"]![name]!, { paginationOpts: { cursor, numItems: 1 } }) as Promise<{
    page: ReadonlyArray<{ n: number }>
    continueCursor: string
  }>

describe("cursors of a deployment", () => {
  it("are rejected over HTTP and as journals with Convex's error, and the subscription receives a new journal", async () => {
    const deployment = await deploy()
    const client = connectHttp(deployment)
    await client.mutation(api.messages.sendMany, { channel: "mine", count: 5 })
    await client.mutation(api.messages.sendMany, { channel: "other", count: 5 })
    const { continueCursor: mine } = await client.query(api.messages.page, pageOf("mine", null))
    const { continueCursor: other } = await client.query(api.messages.page, pageOf("other", null))
    const forged = [other, `${mine.split(".")[0]}.`, `${mine.split(".")[0]}._w`, "x", `${mine}x`]
    for (const cursor of forged) {
      for (const args of [pageOf("mine", cursor), pageOf("mine", null, cursor)]) {
        const { data, message } = await refusal(client.query(api.messages.page, args))
        assert.include(message, "InvalidCursor: Tried to run a query starting from a cursor")
        assert.deepEqual(data, { isConvexSystemError: true, paginationError: "InvalidCursor" })
      }
    }

    const socket = await openSocket(deployment.url)
    socket.send(JSON.stringify(connectFrame()))
    const modifications = forged.map((journal, queryId) => ({
      args: [pageOf("mine", null)],
      journal,
      queryId,
      type: "Add",
      udfPath: "messages:page"
    }))
    const answered = nextMessage(socket, ({ type }) => type === "Transition")
    socket.send(JSON.stringify({ baseVersion: 0, modifications, newVersion: 1, type: "ModifyQuerySet" }))
    const failed = (await answered).modifications ?? []
    assert.lengthOf(failed, forged.length)
    assert.isTrue(
      failed.every(({ errorMessage, journal }) => journal === null && /InvalidCursor/.test(errorMessage ?? ""))
    )
  })

  it("stay valid across restarts and functions with the same query, and not for another query", async () => {
    const dataDir = temporaryFolder()
    const functions = project({ "list.ts": LIST("asc", "list") })
    const first = await deploy({ dataDir, functions })
    const client = connectHttp(first)
    for (const n of [1, 2, 3]) await client.mutation(anyApi["list"]!["add"]!, { n })
    const { continueCursor } = await readList(first.url, "list", null)
    await first.close()

    const second = await deploy({ dataDir, functions: project({ "list.ts": LIST("asc", "renamed") }) })
    assert.deepEqual(
      (await readList(second.url, "renamed", continueCursor)).page.map(({ n }) => n),
      [2]
    )
    await second.close()
    const third = await deploy({ dataDir, functions: project({ "list.ts": LIST("desc", "list") }) })
    assert.include((await refusal(readList(third.url, "list", continueCursor))).message, "InvalidCursor")
  })
})

const LIST = (order: string, name: string) => `
  import { mutation, query } from "./_generated/server"
  export const add = mutation((ctx, { n }) => ctx.db.insert("things", { n }))
  export const ${name} = query((ctx, { paginationOpts }) => ctx.db.query("things").order("${order}").paginate(paginationOpts))
`
