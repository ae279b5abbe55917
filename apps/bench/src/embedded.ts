/**
 * The embedded deployment over its real protocol, next to `convex-test` with the same functions and next to the cost of
 * socket and disk without Convex. Each runs in its own process. Times are those of a caller that awaits the result: with
 * `durability: "full"` they include the disk.
 */
import { anyApi } from "convex/server"
import { type Contender, embedded, startPeer, startRaw, startThreaded, subjectOf } from "./embedded/contenders.ts"
import { deploy, type Deployed } from "./embedded/deployment.ts"
import { fill, type Limit, measure, type Operation, OPERATIONS, type Part, timesOf } from "./embedded/operations.ts"
import { climb } from "./embedded/rungs.ts"
import type { Line } from "./report.ts"

const api = anyApi["documents"]!
const peerName = "convex-test"

/** Rounds of an operation. In each round every contender has a turn. A round before them warms up and is not counted. */
const rounds = (quick: boolean) => (quick ? 1 : 6)
const budget = (quick: boolean, op: Operation): Limit => {
  const isLong = timesOf(op) > 1
  return quick ? { runs: isLong ? 1 : 5, millis: 200 } : { runs: isLong ? 3 : 250, millis: 1500 }
}

const percentile = (times: ReadonlyArray<number>, part: number) =>
  times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0

const figures = (times: ReadonlyArray<number> = [], each = 1) => ({
  p50Ms: percentile(times, 0.5),
  p99Ms: percentile(times, 0.99),
  perSecond: Math.round((1000 * each * times.length) / times.reduce((sum, time) => sum + time, 0))
})

/** Pairs of single operations. A slow moment of the machine or of its disk is in both, or in few pairs. */
const pairs = (quick: boolean, op: Operation) => (quick ? 5 : timesOf(op) > 1 ? 30 : 1000)

/** The ratios of pairs of single operations, in alternation: the middle, and the quartiles. */
const ratios = async (count: number, part: Omit<Part, "from" | "limit">, ours: Contender, raw: Contender) => {
  const limit = { runs: 1, millis: Infinity }
  const each: Array<number> = []
  for (let from = 0; from < count; from++) {
    const taken = new Map<Contender, number>()
    for (const contender of from % 2 === 0 ? [ours, raw] : [raw, ours]) {
      const [time = NaN] = await contender.measure({ ...part, from, limit })
      taken.set(contender, time)
    }
    each.push((taken.get(ours) ?? NaN) / (taken.get(raw) ?? NaN))
  }
  const at = (share: number) => Math.round(100 * percentile(each, share)) / 100
  return { pairs: count, ratio: at(0.5), ratioFirstQuartile: at(0.25), ratioThirdQuartile: at(0.75) }
}

export async function* embeddedBench(quick: boolean): AsyncGenerator<Line> {
  for (const documents of quick ? [300] : [1000, 10_000, 100_000]) yield* atSize(documents, quick)
}

async function* atSize(documents: number, quick: boolean): AsyncGenerator<Line> {
  await using deployed = await deploy("full")
  await using quickly = await deploy("normal")
  await using theirs = await startPeer(documents)
  await using raw = await startRaw()
  await using threaded = await startThreaded(documents)
  const [fully, quicker] = [subjectOf(deployed), subjectOf(quickly)]
  for (const subject of [fully, quicker]) await fill(subject, documents)
  const [ours, normal] = [embedded(fully), embedded(quicker)]

  for (const op of OPERATIONS) {
    const limit = budget(quick, op)
    const contenders = [ours, theirs, raw, ...(op === "mutation" ? [normal] : [])]
    const times = new Map(contenders.map((contender) => [contender, Array<number>()]))
    for (let round = 0; round <= rounds(quick); round++) {
      for (const [contender, taken] of times) {
        const measured = await contender.measure({ documents, from: round * limit.runs, limit, op })
        if (round === 0) continue
        taken.push(...measured)
      }
    }
    const each = timesOf(op)
    const { p50Ms, perSecond } = figures(times.get(theirs), each)
    const least = figures(times.get(raw), each)
    const compared = {
      peer: { name: peerName, p50Ms, perSecond },
      ...(times.get(raw)?.length
        ? {
            raw: {
              p50Ms: least.p50Ms,
              perSecond: least.perSecond,
              ...(await ratios(pairs(quick, op), { documents, op }, ours, raw))
            }
          }
        : {}),
      ...(op === "get" && { inThread: await ratios(pairs(quick, op), { documents, op }, threaded, raw) })
    }
    const line = { bench: "embedded", documents, op }
    yield {
      ...line,
      durability: "full",
      ...figures(times.get(ours), each),
      rssBytes: (await deployed.usage()).rssBytes,
      ...compared
    }
    if (op === "mutation") {
      yield {
        ...line,
        durability: "normal",
        ...figures(times.get(normal)),
        rssBytes: (await quickly.usage()).rssBytes,
        ...compared
      }
    }
  }
  yield { documents, ...(await rungs(deployed, documents, quick ? 5 : 1000)) }
  yield { documents, ...(await behindQuery(deployed, quick ? 2 : 10)) }
  yield { documents, ...(await watched("subscription", deployed, 1, 1, quick ? 20 : 500)) }
  yield { documents, ...(await watched("fanout", deployed, 20, 10, quick ? 5 : 100)) }
  yield { documents, ...(await watched("different", deployed, 10, quick ? 10 : 100, quick ? 2 : 10)) }
}

const timed = async (work: () => Promise<unknown>) => {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** One mutation after another, from a row behind a WebSocket to the deployment in steps. */
const rungs = async (deployed: Deployed, documents: number, count: number) => {
  const climbed = await climb(deployed, documents, count)
  return {
    bench: "embedded",
    op: "rungs",
    durability: "full",
    pairs: count,
    ...figures(climbed.times),
    ...climbed.figures,
    rssBytes: (await deployed.usage()).rssBytes,
    peer: { name: peerName, p50Ms: null, perSecond: null }
  }
}

/** A lookup of one client, called while a query of another client computes for about 0.2 seconds of an idle machine. */
const behindQuery = async (deployed: Deployed, runs: number) => {
  const [one, other] = [subjectOf(deployed), subjectOf(deployed)]
  // On a busy machine it may reach the time limit of functions, which also ends it.
  const compute = (steps: number) => timed(() => one.queryBySocket("compute", { steps }).catch(() => undefined))
  const steps = Math.round((1e7 * 200) / Math.max(await compute(1e7), await compute(1e7)))
  const computing: Array<number> = []
  const times: Array<number> = []
  for (let run = 0; run < runs; run++) {
    const computed = compute(steps + run)
    times.push(await timed(() => other.query("get", { number: run })))
    computing.push(await computed)
  }
  return {
    bench: "embedded",
    op: "behindQuery",
    durability: "full",
    ...figures(times),
    queryMs: percentile(computing, 0.5),
    rssBytes: (await deployed.usage()).rssBytes,
    peer: { name: peerName, p50Ms: null, perSecond: null }
  }
}

/**
 * From the call of a mutation to the update of the last watching client. Clients watch the same queries, except for
 * `different`, where every subscription is a separate query. The peer has no clients.
 */
const watched = async (op: string, deployed: Deployed, clients: number, each: number, writes: number) => {
  const writer = subjectOf(deployed)
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
    rssBytes: (await deployed.usage()).rssBytes,
    peer: { name: peerName, p50Ms: null, perSecond: null }
  }
}
