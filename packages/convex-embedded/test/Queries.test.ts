import { assert, describe, it } from "vitest"
import { connect, connectHttp, deployForAll, emptied, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

interface Pages {
  readonly results: ReadonlyArray<{ readonly text: string }>
  readonly status: string
  readonly loadMore: (count: number) => boolean
}

const failure = (call: Promise<unknown>): Promise<Error> =>
  call.then(
    (value) => assert.fail(`It should have failed, and returned ${JSON.stringify(value)}`),
    (cause: Error) => cause
  )

const shared = deployForAll()

describe("queries", () => {
  it("index ranges, filters, order and unique", async () => {
    const client = connectHttp(await emptied(shared()))
    await client.mutation(api.messages.sendMany, { channel: "c", count: 10 })
    await client.mutation(api.messages.send, { author: "a", channel: "c", rank: 4, text: "hidden" })
    await client.mutation(api.messages.send, { author: "a", channel: "c", text: "without rank" })
    const ranked = await client.query(api.messages.ranked, { above: 2, below: 5, channel: "c" })
    assert.deepEqual(ranked, ["text 3", "text 4", "text 5"])
    const latest = await client.query(api.messages.latest, { channel: "c", count: 2 })
    assert.deepEqual(
      latest.map((message) => message.text),
      ["without rank", "hidden"]
    )
    assert.equal((await client.query(api.messages.byText, { text: "text 7" }))?.rank, 7)
    assert.isNull(await client.query(api.messages.byText, { text: "nothing" }))
    await client.mutation(api.messages.sendMany, { channel: "other", count: 8 })
    const twice = await client.query(api.messages.byText, { text: "text 7" }).then(
      () => "unique",
      (cause: Error) => cause.message
    )
    assert.include(twice, "unique() query returned more than one result")
  })

  it("the index by_id sorts by id, and updates subscriptions", async () => {
    const deployment = await emptied(shared())
    const client = connect(deployment)
    await client.mutation(api.counters.add, { name: "of another table" })
    await client.mutation(api.messages.sendMany, { channel: "c", count: 10 })
    await client.mutation(api.misc.put, { value: "of another table" })
    const messages = await client.query(api.messages.list, { channel: "c" })
    const ids = messages.map((message) => message._id).toSorted()
    assert.deepEqual(await client.query(api.messages.allIds, {}), ids)
    const [above, upTo] = [ids[2]!, ids[6]!]
    const between = watch(client, api.messages.idsBetween, { above, order: "desc", upTo })
    await between.until((seen) => Array.isArray(seen) && seen.length === 4)
    assert.deepEqual(between.latest(), ids.slice(3, 7).toReversed())
    assert.deepEqual(await client.query(api.messages.idsBetween, { above, order: "asc", upTo }), ids.slice(3, 7))
    for (const id of [ids[2]!, ids[7]!, ids[6]!]) await client.mutation(api.messages.remove, { id })
    assert.deepEqual(between.seen.slice(1), [ids.slice(3, 6).toReversed()])
  })

  it("pages follow each other until isDone", async () => {
    const client = connectHttp(await emptied(shared()))
    await client.mutation(api.messages.sendMany, { channel: "c", count: 25 })
    const texts: Array<string> = []
    const sizes: Array<number> = []
    for (let cursor: string | null = null, isDone = false; !isDone;) {
      const page: Awaited<ReturnType<typeof read>> = await read(cursor)
      texts.push(...page.page.map((message) => message.text))
      sizes.push(page.page.length)
      cursor = page.continueCursor
      isDone = page.isDone
    }
    function read(cursor: string | null) {
      return client.query(api.messages.page, { channel: "c", paginationOpts: { cursor, numItems: 10 } })
    }
    assert.deepEqual(sizes, [10, 10, 5])
    assert.deepEqual(
      texts,
      Array.from({ length: 25 }, (_, i) => `text ${24 - i}`)
    )
    const first = await read(null)
    const foreign = client.query(api.messages.page, {
      channel: "other",
      paginationOpts: { cursor: first.continueCursor, numItems: 1 }
    })
    const message = await foreign.then(
      () => "",
      (cause: Error) => cause.message
    )
    assert.include(message, "InvalidCursor")
  })

  it("a page ends at its limit of rows and bytes", async () => {
    const client = connectHttp(await emptied(shared()))
    await client.mutation(api.messages.sendMany, { channel: "c", count: 20 })
    const read = (most: { maximumBytesRead?: number; maximumRowsRead?: number }) =>
      client.query(api.messages.page, { channel: "c", paginationOpts: { cursor: null, numItems: 15, ...most } })
    const three = await read({ maximumRowsRead: 3 })
    assert.deepEqual([three.page.length, three.isDone, three.pageStatus], [3, false, "SplitRequired"])
    const { _id } = three.page[1]!
    const half = await client.query(api.messages.page, {
      channel: "c",
      paginationOpts: { cursor: null, endCursor: three.splitCursor!, numItems: 15 }
    })
    assert.deepEqual([half.page.length, half.page.at(-1)?._id, half.pageStatus], [2, _id, null])
    const all = await client.query(api.messages.page, {
      channel: "c",
      paginationOpts: { cursor: null, maximumRowsRead: 20, numItems: 100 }
    })
    assert.deepEqual([all.page.length, all.isDone, all.pageStatus], [20, true, "SplitRecommended"])
    const { continueCursor: cursor, isDone, page } = await read({ maximumBytesRead: 500 })
    assert.isTrue(page.length > 1 && page.length < 6)
    assert.isFalse(isDone)
    const rest = await client.query(api.messages.page, { channel: "c", paginationOpts: { cursor, numItems: 20 } })
    assert.equal(page.length + rest.page.length, 20)
  })

  it("subscribed pages have no gaps while documents are inserted before them", async () => {
    const deployment = await emptied(shared())
    const client = connect(deployment)
    await client.mutation(api.messages.sendMany, { channel: "c", count: 30 })
    let latest: Pages | undefined
    let changed = Promise.withResolvers<void>()
    const stop = client.onPaginatedUpdate_experimental(
      api.messages.page,
      // The client fills in the options of each page, which its types do not know.
      { channel: "c" } as never,
      { initialNumItems: 10 },
      (pages) => {
        latest = pages as unknown as Pages
        changed.resolve()
        changed = Promise.withResolvers()
      },
      (cause) => changed.reject(cause)
    )
    const until = async (count: number) => {
      while (latest?.results.length !== count || latest.status === "LoadingMore") await changed.promise
      return latest
    }
    ;(await until(10)).loadMore(10)
    await until(20)
    await client.mutation(api.messages.send, { author: "a", channel: "c", text: "new" })
    const { results } = await until(21)
    assert.deepEqual(
      results.map((message) => message.text),
      ["new", ...Array.from({ length: 20 }, (_, i) => `text ${29 - i}`)]
    )
    stop()
  })
})

describe("values and limits", () => {
  it("all kinds of values are stored and sorted as Convex sorts them", async () => {
    const client = connectHttp(await emptied(shared()))
    const bytes = new Uint8Array([1, 2]).buffer
    const ordered = [
      null,
      -5n,
      3n,
      -Infinity,
      -0,
      0,
      1.5,
      NaN,
      false,
      true,
      "",
      "a",
      "b",
      bytes,
      [1],
      [1, 2],
      {},
      { a: 1 }
    ]
    for (const value of ordered.toReversed()) await client.mutation(api.misc.put, { value })
    assert.deepEqual(await client.query(api.misc.sorted, {}), ordered)
  })

  it("commit times increase, and are later than each mutation's snapshot", async () => {
    const client = connectHttp(await emptied(shared()))
    const times = [await client.mutation(api.misc.commitTime, {}), await client.mutation(api.misc.commitTime, {})]
    assert.isTrue(times[0]! < times[1]!)
    const { commit, nested, snapshot, stored } = await client.mutation(api.misc.commitTimes, {})
    assert.equal(snapshot, times[1], "the last commit before")
    assert.isTrue((commit as unknown as bigint) > snapshot)
    assert.deepEqual([nested, stored], [[commit], commit])
    assert.deepEqual(await client.mutation(api.misc.writtenNow, {}), [1, 1, 1])
  })

  it("invalid values are rejected by name", async () => {
    const client = connectHttp(await emptied(shared()))
    const nest = (depth: number): unknown => (depth === 0 ? 1 : [nest(depth - 1)])
    for (const [value, expected] of [
      [nest(17), /too nested/],
      [Array.from({ length: 8193 }, () => 0), /Array length is too long/],
      ["x".repeat(1024 * 1024), /Value is too large/]
    ] as const) {
      assert.match((await failure(client.mutation(api.misc.put, { value }))).message, expected)
    }
    for (const how of ["insert", "patch", "replace"] as const) {
      const { message } = await failure(client.mutation(api.misc.putReserved, { how }))
      assert.include(message, "Field '_x' starts with an underscore")
    }
  })

  it("the size of a document is that of its values, not of their encoding", async () => {
    const client = connectHttp(await emptied(shared()))
    // In base 64 it is larger than 1 MiB.
    const value = new Uint8Array(1_000_000).buffer
    await client.mutation(api.misc.put, { value })
    assert.deepEqual(await client.query(api.misc.sorted, {}), [value])
    const numbers = Array.from({ length: 15 }, () => Array.from({ length: 8000 }, () => 1))
    assert.match(
      (await failure(client.mutation(api.misc.put, { value: numbers }))).message,
      /too large \(1080\d{3} bytes/
    )
  })

  it("reads and writes have the limits of Convex", async () => {
    const client = connectHttp(await emptied(shared()))
    await client.mutation(api.messages.sendMany, { channel: "many", count: 1000 })
    assert.equal(await client.query(api.misc.readMany, { times: 32 }), 32_000)
    assert.include((await failure(client.query(api.misc.readMany, { times: 33 }))).message, "Too many documents read")
    assert.include((await failure(client.query(api.misc.rangeMany, { count: 4097 }))).message, "Too many reads")
    assert.include((await failure(client.mutation(api.misc.putLarge, { count: 17 }))).message, "Too many bytes written")
    assert.deepEqual(await client.query(api.misc.sorted, {}), [])
  })

  it("arguments have the limits of Convex, also of scheduled functions", async () => {
    const client = connect(await emptied(shared()))
    const MiB = 1024 * 1024
    const pass = (size: number, times?: number) =>
      client.mutation(api.misc.passLarge, { size, ...(times === undefined ? {} : { times }) })
    assert.equal(await pass(15 * MiB), 15 * MiB)
    assert.include((await failure(pass(16 * MiB))).message, "misc:lengthOf arguments size is too large")
    assert.include((await failure(pass(4 * MiB, 1))).message, "misc:keepLength are too large")
    assert.include((await failure(pass(3.5 * MiB, 5))).message, "Too large total size of the arguments")
    const lengths = watch(client, api.misc.sorted, {})
    assert.equal(await pass(3 * MiB, 2), 2)
    assert.deepEqual(await lengths.until((seen) => Array.isArray(seen) && seen.length === 2), [3 * MiB, 3 * MiB])
  })
})
