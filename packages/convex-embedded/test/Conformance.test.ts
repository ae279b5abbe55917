/**
 * The behaviour that the real clients observe, on the embedded deployment and on any other one: deploy `test/fixtures/convex` to it and
 * set `CONVEX_URL`. Every test has a channel of its own, so nothing needs to be empty and nothing is removed.
 */
import { randomUUID } from "node:crypto"
import { ConvexClient, ConvexHttpClient } from "convex/browser"
import { ConvexReactClient } from "convex/react"
import { ConvexError } from "convex/values"
import { assert, describe, it, onTestFinished } from "vitest"
import { connect, connectHttp, deployForAll, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

const { counters, messages } = api

const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    (value) => assert.fail(`It should have failed, and gave ${JSON.stringify(value)}`),
    (cause: unknown) => cause
  )

const given = process.env["CONVEX_URL"]
const embedded = deployForAll()
const targets = [
  { name: "embedded", urlOf: () => embedded().url },
  ...(given === undefined ? [] : [{ name: given, urlOf: () => given }])
]

const texts = (value: unknown) => (value as ReadonlyArray<{ readonly text: string }>).map(({ text }) => text)

describe.each(targets)("conformance of $name", ({ urlOf }) => {
  const setUp = () => {
    const url = urlOf()
    const channel = randomUUID()
    const client = connect({ url })
    const send = (text: string) => client.mutation(messages.send, { author: "a", channel, text })
    return { channel, client, http: connectHttp({ url }), other: connect({ url }), send, url }
  }

  it("a subscription is updated by writes, those of its own client before the mutation resolves", async () => {
    const { channel, client, other, send } = setUp()
    const [own, foreign] = [client, other].map((each) => watch(each, messages.list, { channel }))
    await Promise.all([own, foreign].map((each) => each!.until((value) => Array.isArray(value))))
    for (const text of ["one", "two", "three"]) {
      await send(text)
      assert.equal(texts(own!.latest()).at(-1), text)
    }
    await foreign!.until((value) => Array.isArray(value) && value.length === 3)
    assert.deepEqual(texts(foreign!.latest()), ["one", "two", "three"])
  })

  it("mutations of a client run in order, also without awaiting each", async () => {
    const { channel, client, send } = setUp()
    const numbers = Array.from({ length: 30 }, (_, i) => String(i))
    await Promise.all(numbers.map(send))
    assert.deepEqual(texts(await client.query(messages.list, { channel })), numbers)
  })

  it("all queries of a client are at one timestamp", async () => {
    const { channel: name, client } = setUp()
    const [from, to] = [`${name} from`, `${name} to`]
    const local = (each: string) => Number(client.client.localQueryResult("counters:read", { name: each }))
    const sums = new Set<number>()
    const done = Promise.withResolvers<void>()
    const look = () => {
      sums.add(local(from) + local(to))
      if (local(to) === 5) done.resolve()
    }
    const both = [from, to].map((each) => watch(client, counters.read, { name: each }))
    await Promise.all(both.map((each) => each.until((value) => value === 0)))
    for (const each of [from, to]) onTestFinished(client.onUpdate(counters.read, { name: each }, look, done.reject))
    for (let i = 0; i < 5; i++) await client.mutation(counters.transfer, { from, to })
    await done.promise
    assert.deepEqual([...sums], [0])
  })

  it("concurrent increments by several clients are all counted", async () => {
    const { channel: name, client, http, other } = setUp()
    const adders = [client, other, http]
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => adders[i % 3]!.mutation(counters.add, { name }))
    )
    assert.equal(new Set(results).size, 20)
    assert.equal(await http.query(counters.read, { name }), 20)
  })

  it("a failure has its data, and its writes are rolled back", async () => {
    const { channel, client, http } = setUp()
    for (const each of [client, http]) {
      const cause = await failure(each.mutation(messages.fail, { channel, how: "convex" }))
      assert.instanceOf(cause, ConvexError)
      assert.deepEqual(cause.data, { code: "NOPE", n: 1n })
    }
    assert.deepEqual(await http.query(messages.list, { channel }), [])
  })

  it("a subscription fails and recovers with its data", async () => {
    const { channel, client, send } = setUp()
    const first = watch(client, messages.failQuery, { channel })
    const failed = await first.until((value) => value instanceof Error)
    assert.instanceOf(failed, ConvexError)
    await send("there")
    assert.equal(await first.until((value) => !(value instanceof Error)), "there")
  })

  it("arguments are validated, and internal functions are out of reach", async () => {
    const { channel, client, http } = setUp()
    for (const each of [client, http]) {
      assert.match(String(await failure(each.query(messages.list, { channel: 1 } as never))), /ArgumentValidationError/)
      assert.match(
        String(await failure(each.query("messages:secretList" as never, { channel } as never))),
        /Could not find public function/
      )
    }
  })

  it("an action calls internal functions", async () => {
    const { channel, client, http } = setUp()
    assert.equal(await client.action(messages.throughAction, { channel, text: "x" }), 1)
    assert.equal(await http.action(messages.throughAction, { channel, text: "y" }), 2)
  })

  it("values of all types are sent in both directions", async () => {
    const { client, http } = setUp()
    const run = randomUUID()
    const value = { bytes: new Uint8Array([0, 255]).buffer, list: [1.5, -0, null, "é\n"], n: 2n ** 62n, run }
    await client.mutation(api.misc.put, { value })
    for (const each of [client, http]) {
      const found = (await each.query(api.misc.sorted, {})).find((one) => (one as { run?: string } | null)?.run === run)
      assert.deepEqual(found, value)
    }
  })

  it("pages of a list have no gaps while documents are added at its head", async () => {
    const { channel, client, send } = setUp()
    await client.mutation(messages.sendMany, { channel, count: 45 })
    interface Pages {
      readonly results: ReadonlyArray<{ readonly text: string }>
      readonly status: string
      readonly loadMore: (count: number) => boolean
    }
    const pages = { current: null as Pages | null, changed: Promise.withResolvers<void>() }
    const until = async (fits: (seen: Pages) => boolean) => {
      while (pages.current === null || !fits(pages.current)) await pages.changed.promise
      return pages.current
    }
    const receive = (seen: unknown) => {
      pages.current = seen as Pages
      pages.changed.resolve()
      pages.changed = Promise.withResolvers()
    }
    const unsubscribe = client.onPaginatedUpdate_experimental(
      messages.page,
      // The client fills in the options of each page, which its types do not know.
      { channel } as never,
      { initialNumItems: 10 },
      receive,
      (cause) => pages.changed.reject(cause)
    )
    onTestFinished(() => unsubscribe())
    const first = await until(({ results }) => results.length === 10)
    assert.equal(first.status, "CanLoadMore")
    first.loadMore(20)
    await until(({ results }) => results.length === 30)
    // More than twice a page at its head: the client splits that page where the deployment says.
    for (let i = 0; i < 25; i++) await send(`new ${i}`)
    const grown = await until(({ results }) => results.length >= 55)
    grown.loadMore(100)
    const { results } = await until(({ status }) => status === "Exhausted")
    const expected = [
      ...Array.from({ length: 25 }, (_, i) => `new ${24 - i}`),
      ...Array.from({ length: 45 }, (_, i) => `text ${44 - i}`)
    ]
    assert.deepEqual(texts(results), expected)
  })

  it("the React client shows the optimistic result first, then the real one", async () => {
    const { channel, send, url } = setUp()
    const client = new ConvexReactClient(url, { logger: false, unsavedChangesWarning: false })
    onTestFinished(() => client.close())
    const list = client.watchQuery(messages.list, { channel })
    const seen: Array<string> = []
    const until = (text: string) =>
      new Promise<void>((resolve) => {
        const stop = list.onUpdate(() => {
          seen.push(texts(list.localQueryResult()).join())
          if (seen.at(-1) !== text) return
          stop()
          resolve()
        })
      })
    const keep = list.onUpdate(() => undefined)
    onTestFinished(keep)
    await until("")
    const one = until("one")
    await send("one")
    await one
    const three = until("one,two,three")
    await client.mutation(
      messages.send,
      { author: "a", channel, text: "two" },
      { optimisticUpdate: (store) => store.setQuery(messages.list, { channel }, []) }
    )
    await send("three")
    await three
    assert.deepEqual(seen, ["", "one", "", "one,two", "one,two,three"])
  })

  it("console output of a function is sent to its client", async () => {
    const url = urlOf()
    const lines: Array<string> = []
    const note = (...values: Array<unknown>) => void lines.push(values.join(" "))
    const logger = { error: note, log: note, logVerbose: () => undefined, warn: note }
    const client = new ConvexClient(url, { logger, unsavedChangesWarning: false })
    onTestFinished(() => client.close())
    const printed = randomUUID()
    await client.mutation(api.misc.print, { text: printed })
    assert.include(lines.join("\n"), `'${printed}'`)
    assert.include(lines.join("\n"), "misc:print")
    await new ConvexHttpClient(url, { logger }).query(api.misc.printInQuery, { text: `${printed} over HTTP` })
    assert.include(lines.join("\n"), `${printed} over HTTP`)
  })

  it("time stands still in queries and mutations, random numbers do not repeat", async () => {
    const { client } = setUp()
    for (const seen of [
      await client.query(api.misc.nondeterminism, {}),
      await client.mutation(api.misc.nondeterminismOnWrite, {})
    ]) {
      assert.equal(new Set(seen.times).size, 1)
      assert.equal(new Set(seen.chances).size, 3)
    }
  })

  it("a search finds words and prefixes, applies filters, and is updated by writes", async () => {
    const { channel: folder, client } = setUp()
    const search = (text: string) => client.query(api.notes.inFolder, { folder, text })
    const add = (...added: Array<string>) =>
      client.mutation(api.notes.add, { notes: added.map((text) => ({ folder, text })) })
    const watched = watch(client, api.notes.inFolder, { folder, text: "quick fo" })
    await watched.until((value) => Array.isArray(value))
    const [id] = await add("The quick brown fox.", "Lazy dogs", "FOXES are quick, quick!")
    await watched.until((value) => Array.isArray(value) && value.length === 2)
    assert.deepEqual(await search("lazy"), ["Lazy dogs"])
    assert.lengthOf(await search("dog quic"), 2)
    await client.mutation(api.notes.remove, { id: id! })
    assert.deepEqual(watched.latest(), ["FOXES are quick, quick!"])
  })
})
