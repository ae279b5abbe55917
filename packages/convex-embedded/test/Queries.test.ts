import { assert, describe, it } from "vitest"
import { connect, connectHttp, deployForAll, emptied, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

interface Pages {
  readonly results: ReadonlyArray<{ readonly text: string }>
  readonly status: string
  readonly loadMore: (count: number) => boolean
}

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
