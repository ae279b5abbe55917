import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { compileSearch } from "../src/internal/query/search.ts"
import { termsOf } from "../src/internal/storage/search-entries.ts"
import { connect, connectHttp, deploy, deployForAll, emptied, temporaryFolder, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import type { Id } from "./fixtures/convex/_generated/dataModel.js"
import { randomOf } from "./random.ts"

const { notes } = api

type Note = { text: string | number; folder?: string; details?: { pinned: boolean; title: string } }

const shared = deployForAll()

/** A deployment with these notes in it, and no others. */
const withNotes = async (...added: ReadonlyArray<string | Note>) => {
  const deployment = await emptied(shared())
  const client = connectHttp(deployment)
  const all = added.map((each) => (typeof each === "string" ? { text: each } : each))
  const ids = await client.mutation(notes.add, { notes: all })
  return { client, deployment, ids, search: (text: string) => client.query(notes.search, { text }) }
}

const messageOf = (call: Promise<unknown>) =>
  call.then(
    () => "",
    (cause: Error) => cause.message
  )

describe("full-text search", () => {
  it("words are runs of letters and digits in any case; accents and scripts are distinct", () => {
    assert.deepEqual(termsOf("Hello, WORLD! it's e-mail_2 №3"), ["hello", "world", "it", "s", "e", "mail", "2", "3"])
    assert.deepEqual(termsOf("Ärger über Café"), ["ärger", "über", "café"])
    // A virama is not a letter in Unicode: Convex parts words at it too.
    assert.deepEqual(termsOf("東京都に住む。हिन्दी"), ["東京都に住む", "हिन", "दी"])
    assert.deepEqual(termsOf(` ${"x".repeat(31)} ${"y".repeat(32)} ${"é".repeat(16)} `), ["x".repeat(31)])
    assert.deepEqual(termsOf('" OR * NEAR( -'), ["or", "near"])
  })

  it("any word matches, the last also as a prefix", async () => {
    const { search } = await withNotes("Rabbits run", "send REQUEST", "a request", "nothing")
    assert.sameMembers(await search("r"), ["Rabbits run", "a request", "send REQUEST"])
    assert.deepEqual(await search("rabb run"), ["Rabbits run"])
    assert.deepEqual(await search("req nothing"), ["nothing"], "only the last word may be incomplete")
    assert.deepEqual(await search("absent"), [])
    for (const empty of ["", " ", "…!"]) assert.deepEqual(await search(empty), [])
  })

  it("the most relevant results come first: rare and frequent words, short texts; the newest among equals", async () => {
    const filler = Array.from({ length: 20 }, (_, i) => `filler ${i}`)
    const { search } = await withNotes(
      ...filler,
      "common apple and a great many words that it is lost among",
      "common apple",
      "apple apple apple",
      "common banana",
      "common banana"
    )
    const [best, ...others] = await search("apple")
    assert.equal(best, "apple apple apple")
    assert.deepEqual(others, ["common apple", "common apple and a great many words that it is lost among"])
    assert.equal((await search("apple common"))[0], "common apple")
    assert.equal((await search("filler 1"))[0], "filler 1", "before words that only begin so")
    const two = await withNotes({ folder: "old", text: "same words" }, { folder: "new", text: "same words" })
    const paginationOpts = { cursor: null, numItems: 2 }
    const { page } = await two.client.query(notes.page, { paginationOpts, text: "same" })
    assert.deepEqual(
      page.map(({ folder }) => folder),
      ["new", "old"]
    )
  })

  it("filters compare values, also nested and missing ones", async () => {
    const { client } = await withNotes(
      { folder: "a", text: "word in a" },
      { details: { pinned: true, title: "first title" }, folder: "b", text: "word in b, pinned" },
      { details: { pinned: false, title: "second" }, folder: "b", text: "word in b" },
      { text: "word without" }
    )
    const inFolder = (folder: string | null, pinned?: boolean) =>
      client.query(notes.inFolder, { folder, text: "word", ...(pinned === undefined ? {} : { pinned }) })
    assert.deepEqual(await inFolder("a"), ["word in a"])
    assert.sameMembers(await inFolder("b"), ["word in b", "word in b, pinned"])
    assert.deepEqual(await inFolder("b", true), ["word in b, pinned"])
    assert.deepEqual(await inFolder("b", false), ["word in b"])
    assert.deepEqual(await inFolder(null), ["word without"])
    assert.deepEqual(await inFolder("A"), [], "filters are exact")
    assert.deepEqual(await client.query(notes.byTitle, { title: "titl" }), ["word in b, pinned"])
    assert.equal(await client.query(notes.withWord, { exact: "word in b", text: "word" }), "word in b")
  })

  it("a document is found only while its search field is a string", async () => {
    const { client, ids, search } = await withNotes({ text: 7 }, "seven 7")
    assert.deepEqual(await search("7"), ["seven 7"])
    await client.mutation(notes.replace, { id: ids[0]!, text: "now 7" })
    assert.sameMembers(await search("7"), ["now 7", "seven 7"])
    await client.mutation(notes.replace, { id: ids[1]!, text: 7 })
    assert.deepEqual(await search("7"), ["now 7"])
    await client.mutation(notes.remove, { id: ids[0]! })
    assert.deepEqual(await search("7"), [])
    await client.mutation(notes.remove, { id: ids[1]! })
  })

  it("pages are in order of relevance", async () => {
    const { client } = await withNotes(...Array.from({ length: 25 }, (_, i) => `word${" other".repeat(i)}`))
    const read = (cursor: string | null) =>
      client.query(notes.page, { paginationOpts: { cursor, numItems: 10 }, text: "word" })
    const lengths: Array<number> = []
    const sizes: Array<number> = []
    for (let cursor: string | null = null, isDone = false; !isDone;) {
      const page: Awaited<ReturnType<typeof read>> = await read(cursor)
      sizes.push(page.page.length)
      lengths.push(...page.page.map(({ text }) => String(text).length))
      ;({ continueCursor: cursor, isDone } = page)
    }
    assert.deepEqual(sizes, [10, 10, 5])
    assert.deepEqual(
      lengths,
      lengths.toSorted((left, right) => left - right),
      "the shortest is the most relevant"
    )
    assert.lengthOf(new Set(lengths), 25)
  })

  it("a mutation finds its own writes, and a failed one leaves no entries", async () => {
    const { client, search } = await withNotes("kept word")
    const done = await client.mutation(notes.addAndSearch, { fail: false, text: "new word" })
    assert.deepEqual(done, { added: ["new word", "kept word"], changed: ["kept word"] })
    assert.include(await messageOf(client.mutation(notes.addAndSearch, { fail: true, text: "lost word" })), "as asked")
    assert.deepEqual(await search("word"), ["kept word"])
    assert.deepEqual(await search("changed"), ["changed"])
  })

  it("after random writes it finds the same as a scan of all documents (seed 5)", async () => {
    const { client } = await withNotes()
    const random = randomOf(5)
    const pick = <A>(of: ReadonlyArray<A>): A => of[Math.floor(random() * of.length)]!
    const words = ["ab", "abc", "b", "Bc", "c", "cab"]
    const text = () => Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(words)).join(pick([" ", ", "]))
    const note = (): Note => ({
      text: random() < 0.1 ? 7 : text(),
      ...(random() < 0.5 ? { folder: pick(["x", "y"]) } : {})
    })
    const model = new Map<Id<"notes">, Note>()
    const expected = (query: string, folder: string | null) => {
      const terms = query.toLowerCase().split(/\W+/)
      const finds = (word: string) => terms.includes(word) || word.startsWith(terms.at(-1)!)
      return [...model.values()]
        .filter((each) => (each.folder ?? null) === folder && typeof each.text === "string")
        .map((each) => String(each.text))
        .filter((each) => each.toLowerCase().split(/\W+/).some(finds))
    }
    for (let round = 0; round < 150; round++) {
      const [id, next] = [pick([...model.keys()]), note()]
      const kind = model.size === 0 ? 0 : random()
      if (kind < 0.5) {
        const [added] = await client.mutation(notes.add, { notes: [next] })
        model.set(added!, next)
      } else if (kind < 0.8) {
        await client.mutation(notes.replace, { id, ...next })
        model.set(id, next)
      } else {
        await client.mutation(notes.remove, { id })
        model.delete(id)
      }
      const [query, folder] = [text(), pick(["x", "y", null])]
      assert.sameMembers(await client.query(notes.inFolder, { folder, text: query }), expected(query, folder), query)
    }
  })

  it("a subscription runs again after a write to a possible result", async () => {
    const { client, deployment } = await withNotes({ folder: "a", text: "word one" }, { folder: "b", text: "word two" })
    const watcher = connect(deployment)
    const [all, inA] = [
      watch(watcher, notes.search, { text: "word" }),
      watch(watcher, notes.inFolder, { folder: "a", text: "word" })
    ]
    await Promise.all([all, inA].map((each) => each.until((value) => Array.isArray(value))))
    const [added] = await client.mutation(notes.add, { notes: [{ folder: "b", text: "word three" }] })
    await all.until((value) => Array.isArray(value) && value.length === 3)
    assert.lengthOf(inA.seen, 1, "what is in another folder does not concern it")
    await client.mutation(notes.replace, { folder: "a", id: added!, text: "word three" })
    await inA.until((value) => Array.isArray(value) && value.length === 2)
    await client.mutation(notes.remove, { id: added! })
    await inA.until((value) => Array.isArray(value) && value.length === 1)
    await all.until((value) => Array.isArray(value) && value.length === 2)
  })

  it("finds as many results as Convex scans, and fails beyond", async () => {
    const { client, search } = await withNotes()
    await client.mutation(notes.addMany, { count: 1100 })
    assert.include(await messageOf(search("many")), "Search query scanned too many documents (fetched 1024)")
    assert.lengthOf(await client.query(notes.search, { take: 1024, text: "many" }), 1024)
    const paginationOpts = { cursor: null, numItems: 500 }
    const { continueCursor: cursor } = await client.query(notes.page, { paginationOpts, text: "many" })
    const next = await client.query(notes.page, { paginationOpts: { cursor, numItems: 1000 }, text: "many" })
    assert.equal(next.page.length, 524)
    assert.isTrue(next.isDone)
    assert.include(
      await messageOf(client.query(notes.withWord, { exact: "none", text: "many" })),
      "scanned too many documents"
    )
  })

  it("ignores words beyond the sixteenth", async () => {
    const { search } = await withNotes("first", "last", "lastly")
    const fifteen = Array.from({ length: 15 }, (_, i) => `w${i}`).join(" ")
    assert.deepEqual(await search(`${fifteen} last first`), ["last", "lastly"], "the sixteenth is the last one")
  })

  it("a search that does not match its index fails with the reason", async () => {
    const { client } = await withNotes()
    const reasons = {
      field: "`searchField` is 'text'",
      filter: "filters by 'text', which is not one of its `filterFields`",
      filters: "has too many filters (9 > maximum number 8)",
      index: "Index notes.search_nothing not found",
      none: "needs a text to search for",
      twice: "has more than one text to search for"
    } as const
    for (const [how, reason] of Object.entries(reasons)) {
      assert.include(await messageOf(client.query(notes.wrong, { how: how as keyof typeof reasons })), reason)
    }
  })

  it("search texts cannot inject FTS5 syntax", () => {
    const index = { filterFields: ["f"], searchField: "t" }
    const { match } = compileSearch("x.y", index, [
      { fieldPath: "t", type: "Search", value: '"a" NEAR(b) {c}: d*' },
      { fieldPath: "f", type: "Eq", value: '" OR "' }
    ])
    assert.match(
      match!,
      /^\{terms\} : \("a" OR "near" OR "b" OR "c" OR "d" OR "d" \*\) AND \{filters\} : "[0-9a-f]{64}"$/
    )
  })

  it("imported documents and restored backups can be searched", async () => {
    const adminKey = "the key of the administrator"
    const bearer = { authorization: `Convex ${adminKey}` }
    const source = await deploy({ adminKey })
    await connectHttp(source).mutation(notes.add, { notes: [{ text: "older word" }, { text: "newer word" }] })
    const body = await (await fetch(`${source.url}/api/export?table=notes`, { headers: bearer })).text()
    const dataDir = temporaryFolder()
    await source.backup(join(dataDir, "data.sqlite"))

    const copy = await deploy({ adminKey })
    const search = (deployment: typeof copy) => connectHttp(deployment).query(notes.search, { text: "word" })
    await connectHttp(copy).mutation(notes.add, { notes: [{ text: "word of before" }] })
    await fetch(`${copy.url}/api/import?table=notes&mode=replace`, { body, headers: bearer, method: "POST" })
    assert.deepEqual(await search(copy), ["newer word", "older word"])
    assert.deepEqual(await search(await deploy({ dataDir })), ["newer word", "older word"])
  })
})
