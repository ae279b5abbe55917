/**
 * The embedded deployment, in a process of its own and over its real wire, beside `convex-test` in this process, on the
 * same functions. What is measured is what an awaiting caller waits for: with `durability: "full"` that includes the disk.
 */
import { anyApi } from "convex/server"
import { convexTest } from "convex-test"
import { deploy, type Deployed } from "./embedded/deployment.ts"
import schema from "./embedded/convex/schema.ts"
import type { Line } from "./report.ts"

const api = anyApi["documents"]!

const modules = {
  "./convex/_generated/api.js": () => Promise.resolve({}),
  "./convex/documents.ts": () => import("./embedded/convex/documents.ts"),
  "./convex/schema.ts": () => import("./embedded/convex/schema.ts")
}
const peerName = "convex-test"

/** The same operations on either side. */
interface Subject {
  readonly query: (name: string, args: Record<string, unknown>) => Promise<unknown>
  readonly mutation: (name: string, args: Record<string, unknown>) => Promise<unknown>
}

const embedded = (deployed: Deployed): Subject => {
  const client = deployed.connect()
  return {
    query: (name, args) => deployed.http.query(api[name]!, args),
    mutation: (name, args) => client.mutation(api[name]!, args)
  }
}

const peer = (): Subject => {
  const test = convexTest(schema, modules)
  return {
    query: (name, args) => test.query(api[name]!, args),
    mutation: (name, args) => test.mutation(api[name]!, args)
  }
}

const BULK = 1000

/** Numbers without a pattern, the same in each run (a multiplicative hash). */
const scattered = (i: number, below: number) => (Math.imul(i + 1, 2_654_435_761) >>> 8) % below

/** Each runs the operation once on a table of `documents`; `i` counts the runs. */
const operations: Readonly<Record<string, (subject: Subject, documents: number, i: number) => Promise<unknown>>> = {
  get: (subject, documents, i) => subject.query("get", { number: scattered(i, documents) }),
  page50: (subject, documents, i) => subject.query("page50", { below: 50 + scattered(i, documents - 50) }),
  mutation: (subject, documents, i) => subject.mutation("insert", { channel: "one", number: 2 * documents + i }),
  bulk: (subject, documents, i) => subject.mutation("bulk", { count: BULK, from: 4 * documents + BULK * i })
}

/** Runs of an operation, at most so many and for so long; three rounds of ours and theirs in turn. */
const ROUNDS = 3
const budget = (quick: boolean, op: string) =>
  quick ? { runs: op === "bulk" ? 1 : 20, millis: 500 } : { runs: op === "bulk" ? 5 : 500, millis: 3000 }

const measure = async (run: (i: number) => Promise<unknown>, from: number, limit: ReturnType<typeof budget>) => {
  const times: Array<number> = []
  const began = performance.now()
  while (times.length < limit.runs && performance.now() - began < limit.millis) {
    const start = performance.now()
    await run(from + times.length)
    times.push(performance.now() - start)
  }
  return times
}

const percentile = (times: ReadonlyArray<number>, part: number) =>
  times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0

const figures = (times: ReadonlyArray<number> = [], each = 1) => ({
  p50Ms: percentile(times, 0.5),
  p99Ms: percentile(times, 0.99),
  perSecond: Math.round((1000 * each * times.length) / times.reduce((sum, time) => sum + time, 0))
})

const fill = async (subject: Subject, documents: number) => {
  for (let from = 0; from < documents; from += BULK) await subject.mutation("bulk", { count: BULK, from })
}

export async function* embeddedBench(quick: boolean): AsyncGenerator<Line> {
  for (const documents of quick ? [1000, 3000] : [1000, 10_000, 100_000]) yield* atSize(documents, quick)
}

async function* atSize(documents: number, quick: boolean): AsyncGenerator<Line> {
  await using deployed = await deploy("full")
  await using quickly = await deploy("normal")
  const [ours, normal, theirs] = [embedded(deployed), embedded(quickly), peer()]
  for (const subject of [ours, normal, theirs]) await fill(subject, documents)

  for (const [op, run] of Object.entries(operations)) {
    const limit = budget(quick, op)
    const subjects = [ours, theirs, ...(op === "mutation" ? [normal] : [])]
    const times = new Map(subjects.map((subject) => [subject, Array<number>()]))
    for (let round = 0; round < ROUNDS; round++) {
      for (const [subject, taken] of times) {
        taken.push(...(await measure((i) => run(subject, documents, i), taken.length, limit)))
      }
    }
    const each = op === "bulk" ? BULK : 1
    const { p50Ms, perSecond } = figures(times.get(theirs), each)
    const beside = { peer: { name: peerName, p50Ms, perSecond } }
    const line = { bench: "embedded", documents, op }
    yield {
      ...line,
      durability: "full",
      ...figures(times.get(ours), each),
      rssBytes: await deployed.rssBytes(),
      ...beside
    }
    if (op === "mutation") {
      yield {
        ...line,
        durability: "normal",
        ...figures(times.get(normal)),
        rssBytes: await quickly.rssBytes(),
        ...beside
      }
    }
  }
  yield { documents, ...(await watched("subscription", deployed, 1, 1, quick ? 20 : 500)) }
  yield { documents, ...(await watched("fanout", deployed, 20, 10, quick ? 5 : 100)) }
  yield { documents, ...(await watched("different", deployed, 10, quick ? 10 : 100, quick ? 2 : 10)) }
}

/**
 * From the call of a mutation to the last of the clients that watch. Clients watch the same queries, but for
 * `different`, where every subscription is a query of its own. The peer has no clients.
 */
const watched = async (op: string, deployed: Deployed, clients: number, each: number, writes: number) => {
  const writer = embedded(deployed)
  const expected = { number: -1, missing: 0, done: () => undefined as void }
  const seen = (number: number) => {
    if (number === expected.number && --expected.missing === 0) expected.done()
  }
  const next = (number: number) =>
    new Promise<void>((done) => Object.assign(expected, { done, missing: clients * each, number }))
  const ready = next(-1)
  for (let client = 0; client < clients; client++) {
    const connection = deployed.connect()
    for (let watcher = 0; watcher < each; watcher++) {
      const query = op === "different" ? client * each + watcher : watcher
      connection.onUpdate(api["latest"]!, { channel: op, watcher: query }, seen, (cause) => {
        throw cause
      })
    }
  }
  await ready
  const times = await measure(
    async (number) => {
      const all = next(number)
      await Promise.all([writer.mutation("insert", { channel: op, number }), all])
    },
    0,
    { runs: writes, millis: 20_000 }
  )
  return {
    bench: "embedded",
    op,
    durability: "full",
    subscriptions: clients * each,
    ...figures(times, clients * each),
    rssBytes: await deployed.rssBytes(),
    peer: { name: peerName, p50Ms: null, perSecond: null }
  }
}
