import { setImmediate as turn, setTimeout as wait } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { deployForAll } from "./deployment.ts"
import { comparable, inConvexTest, outcome, type Subject, withClient } from "./equivalence/subject.ts"
import { api, internal } from "./fixtures/convex/_generated/api.js"

type Case = (subject: Subject) => Promise<unknown>

const { accounts, counters, files, jobs, messages, misc, notes } = api

const seed = async ({ mutation }: Subject) => {
  await mutation(messages.sendMany, { channel: "c", count: 12 })
  await mutation(messages.send, { author: "a", channel: "c", rank: 4, text: "hidden" })
  await mutation(messages.send, { author: "a", channel: "c", text: "no rank" })
  await mutation(messages.sendMany, { channel: "other", count: 3 })
}

const send = (subject: Subject, text = "hello") =>
  subject.mutation(messages.send, { author: "ann", channel: "c", text })

const sorted = async (found: Promise<ReadonlyArray<unknown>>) =>
  (await found).toSorted((left, right) => (String(left) < String(right) ? -1 : 1))

/** Equal behaviour of both. */
const cases: Record<string, Case> = {
  "a search field that holds no text": async (subject) => {
    await subject.mutation(notes.add, { notes: [{ text: 1 }, { text: "word" }] })
    return outcome(subject.query(notes.search, { text: "word" }))
  },
  "a document that was inserted": async (subject) => {
    const id = await send(subject)
    return [
      id.length > 0,
      await subject.query(messages.get, { id }),
      await subject.query(messages.list, { channel: "c" })
    ]
  },
  "an index in both orders, with a limit": async (subject) => {
    await seed(subject)
    return [
      await subject.query(messages.list, { channel: "c" }),
      await subject.query(messages.latest, { channel: "c", count: 3 }),
      await subject.query(messages.latest, { channel: "nothing", count: 3 })
    ]
  },
  "a range of a compound index with a filter": async (subject) => {
    await seed(subject)
    return subject.query(messages.ranked, { above: 2, below: 6, channel: "c" })
  },
  "unique with one, none and several": async (subject) => {
    await seed(subject)
    return Promise.all(["text 7", "nothing", "text 1"].map((text) => outcome(subject.query(messages.byText, { text }))))
  },
  "pages until the last": async (subject) => {
    await seed(subject)
    const pages: Array<unknown> = []
    for (let cursor: string | null = null, isDone = false; !isDone;) {
      const paginationOpts = { cursor, numItems: 5 }
      const page: { continueCursor: string; isDone: boolean; page: Array<{ text: string }> } = await subject.query(
        messages.page,
        { channel: "c", paginationOpts }
      )
      pages.push(page.page.map(({ text }) => text))
      ;({ continueCursor: cursor, isDone } = page)
    }
    return pages.flat()
  },
  "a patch that sets and removes fields": async (subject) => {
    const id = await subject.mutation(messages.send, { author: "a", channel: "c", rank: 1, text: "x" })
    return [
      await subject.mutation(messages.edit, { id, rank: null, text: "y" }),
      await subject.mutation(messages.edit, { id, text: "z" })
    ]
  },
  "a replacement, a removal, and what is gone": async (subject) => {
    const id = await subject.mutation(messages.send, { author: "a", channel: "c", rank: 1, text: "x" })
    const rewritten = await subject.mutation(messages.rewrite, { author: "b", channel: "d", id, text: "y" })
    await subject.mutation(messages.remove, { id })
    return [
      rewritten,
      await subject.query(messages.get, { id }),
      await outcome(subject.mutation(messages.remove, { id })),
      await outcome(subject.mutation(messages.edit, { id, text: "z" })),
      await subject.query(messages.list, { channel: "d" })
    ]
  },
  "the IDs of tables": async (subject) => {
    const [own, foreign] = await subject.query(messages.normalize, { id: await send(subject) })
    return [own !== null, foreign, await subject.query(messages.normalize, { id: "not an id" })]
  },
  "the order of values of all types": async (subject) => {
    const values = [true, "b", 2, null, -1.5, "a", false, 3n, [2], [1, 2], { b: 1 }, { a: 2 }, -0.5, "", 10, [1], -2n]
    for (const value of values) await subject.mutation(misc.put, { value })
    return subject.query(misc.sorted, {})
  },
  "values come back as they were": async (subject) => {
    const value = { bytes: new Uint8Array([1, 0, 255]).buffer, deep: [{ n: 1n, s: "é\u0000" }], infinite: Infinity }
    await subject.mutation(misc.put, { value })
    return subject.query(misc.sorted, {})
  },
  "a failure undoes what was written, and has its data": async (subject) => [
    await outcome(subject.mutation(messages.fail, { channel: "c", how: "convex" })),
    await outcome(subject.mutation(messages.fail, { channel: "c", how: "plain" })),
    await outcome(subject.query(messages.failQuery, { channel: "c" })),
    await subject.query(messages.list, { channel: "c" })
  ],
  "arguments, results and documents that do not fit": async (subject) => [
    await outcome(subject.mutation(messages.send, { author: "a", channel: "c" } as never)),
    await outcome(subject.mutation(messages.send, { author: "a", channel: "c", more: 1, text: "x" } as never)),
    await outcome(subject.query(messages.get, { id: "nonsense" as never })),
    await outcome(subject.mutation(messages.insertInvalid, {})),
    await subject.query(messages.list, { channel: "c" })
  ],
  "a value that cannot be stored": async (subject) => [
    await outcome(subject.mutation(misc.put, { value: { $field: 1 } as never })),
    await outcome(subject.mutation(misc.put, { value: (() => 1) as never })),
    await subject.query(misc.sorted, {})
  ],
  "an action with a query and a mutation": (subject) =>
    subject.action(messages.throughAction, { channel: "c", text: "from an action" }),
  "changes one after the other": async (subject) => {
    await subject.mutation(counters.transfer, { from: "a", to: "b" })
    await subject.mutation(accounts.change, {
      fail: false,
      steps: [
        { add: 5, name: "a" },
        { add: null, name: "b" },
        { add: 2, name: "c" }
      ]
    })
    await outcome(subject.mutation(accounts.change, { fail: true, steps: [{ add: 9, name: "a" }] }))
    return (await subject.query(accounts.all, {})).accounts
  },
  "twenty at once are one after the other": async (subject) => {
    const results = Array.from({ length: 20 }, () => subject.mutation(counters.add, { name: "n" }))
    return [(await Promise.all(results)).toSorted((a, b) => a - b), await subject.query(counters.read, { name: "n" })]
  },
  "what a job wrote, and the state that it is in": async (subject) => {
    const id = await subject.mutation(jobs.schedule, { delay: 0, kind: "mutation", name: "first" })
    const failing = await subject.mutation(jobs.schedule, { delay: 0, kind: "failing", name: "second" })
    const canceled = await subject.mutation(jobs.schedule, { delay: 3_600_000, kind: "mutation", name: "third" })
    await subject.mutation(jobs.cancel, { id: canceled })
    await outcome(subject.mutation(jobs.scheduleThenFail, { name: "fourth" }))
    const states = async () => {
      const all = await Promise.all([id, failing, canceled].map((each) => subject.query(jobs.state, { id: each })))
      return all.map((state) => state?.kind)
    }
    // The jobs of convex-test run on timers of this thread.
    while ((await states()).some((state) => state === "pending" || state === "inProgress")) await turn()
    return [await states(), await subject.query(jobs.events, {})]
  },
  "the failure of a nested mutation undoes that one alone": async (subject) =>
    (await subject.mutation(messages.nested, { channel: "c" })).seen,
  "the time of a commit is known before": (subject) =>
    outcome(subject.mutation(misc.commitTime, {}).then((time) => typeof time)),
  "timers are refused": (subject) => outcome(subject.query(misc.outside, { how: "timer" })),
  "anonymous clients": async (subject) => [
    await subject.query(misc.whoami, {}),
    await subject.action(misc.whoamiAction, {})
  ],
  "what a search finds, by words and filters": async (subject) => {
    const added = [
      { folder: "a", text: "Alpha beta" },
      { details: { pinned: true, title: "x" }, folder: "b", text: "beta gamma" },
      { details: { pinned: false, title: "x" }, folder: "b", text: "gamma" },
      { text: "alphabet" }
    ]
    await subject.mutation(notes.add, { notes: added })
    return [
      await sorted(subject.query(notes.search, { text: "ALPHA" })),
      await sorted(subject.query(notes.search, { text: "beta gam" })),
      await sorted(subject.query(notes.search, { text: "" })),
      await sorted(subject.query(notes.inFolder, { folder: "b", text: "gamma" })),
      await sorted(subject.query(notes.inFolder, { folder: "b", pinned: true, text: "gamma" })),
      await sorted(subject.query(notes.inFolder, { folder: null, text: "alpha" })),
      await subject.query(notes.withWord, { exact: "gamma", text: "gamma" })
    ]
  },
  "what a mutation finds of its own writes": async (subject) => [
    await subject.mutation(notes.addAndSearch, { fail: false, text: "own" }),
    await outcome(subject.mutation(notes.addAndSearch, { fail: true, text: "failed" })),
    await subject.query(notes.search, { text: "failed" })
  ],
  "a file": async (subject) => {
    const { id, text, type } = await subject.action(files.throughAction, { text: "content" })
    const described = await subject.query(files.describe, { id })
    await subject.mutation(files.remove, { fail: false, id })
    return [text, type, (described as { size?: number }).size, await subject.query(files.url, { id })]
  }
}

/** The differences, and their reasons. */
const differences: Record<string, { readonly why: string; readonly run: Case }> = {
  "an internal function": {
    run: (subject) => outcome(subject.query(internal.messages.secretList as never, { channel: "c" } as never)),
    why: "convex-test stands inside of the deployment, a client outside: it cannot reach internal functions"
  },
  "a result that does not fit": {
    run: async (subject) => {
      await outcome(subject.mutation(messages.wrongReturn, { channel: "c" }))
      return subject.query(messages.list, { channel: "c" })
    },
    why: "convex-test keeps what a mutation wrote whose result does not match its validator"
  },
  "the order of what a search finds": {
    run: async (subject) => {
      await subject.mutation(notes.add, { notes: [{ text: "word and more" }, { text: "word word" }] })
      return subject.query(notes.search, { text: "word" })
    },
    why: "convex-test does not rank what it finds"
  },
  "words next to punctuation": {
    run: async (subject) => {
      await subject.mutation(notes.add, { notes: [{ text: "(word)" }] })
      return subject.query(notes.search, { text: "word" })
    },
    why: "convex-test parts words at blanks only"
  },
  "an incomplete word that is not the last one": {
    run: async (subject) => {
      await subject.mutation(notes.add, { notes: [{ text: "word" }] })
      return subject.query(notes.search, { text: "wo other" })
    },
    why: "convex-test completes every word of a search, Convex the last one"
  },
  "a function that never ends": {
    run: (subject) => Promise.race([outcome(subject.query(misc.never, {})), wait(1500, "waits")]),
    why: "convex-test has no time limit"
  }
}

const deployment = deployForAll({ userTimeLimit: 1000 })

describe("equivalence with convex-test", () => {
  it.each(Object.keys(cases))("%s", async (name) => {
    const run = cases[name]!
    const theirs = comparable(await run(inConvexTest()))
    assert.deepEqual(comparable(await run(await withClient(deployment()))), theirs)
  })

  it.each(Object.keys(differences))("differs: %s", async (name) => {
    const { run, why } = differences[name]!
    const theirs = comparable(await run(inConvexTest()))
    assert.notDeepEqual(comparable(await run(await withClient(deployment()))), theirs, `no longer true: ${why}`)
  })
})
