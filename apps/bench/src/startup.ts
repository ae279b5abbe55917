/**
 * How long a worker takes until it is Ready, by how many sessions its deployment has, with OpenCode booting beside it: the
 * built command in a process of its own, on deployments that run elsewhere. Clocked from here, from before the process
 * exists to its word. The sizes take turns, so that a noisy moment does not fall on one of them.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { api } from "@opencode-worker/convex-sync"
import {
  type Deployment,
  openCodeProgram,
  residentBytes,
  startDeployment,
  startWorker,
  type WorkerOptions
} from "@opencode-worker/harness"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
import { makeSessions, serveOpenCode } from "./product/opencode.ts"
import { connectTo } from "./product/operator.ts"
import { relayRequests } from "./product/requests.ts"
import { heapBytes, inspectable } from "./product/worker.ts"
import type { Line } from "./report.ts"
import { median } from "./statistics.ts"

export async function* startup(quick: boolean): AsyncGenerator<Line> {
  const sizes = quick ? [0, 255] : [0, 255, 1000, 10_000, 100_000]
  const rounds = quick ? 1 : 15
  await using cleanup = new AsyncDisposableStack()
  const provider = cleanup.use(await scriptedProvider(() => Reply.text("Hello.")))
  const home = cleanup.use(await openCodeHome({ config: provider.config }))
  const ids = await inOpenCode(home, quick ? 50 : 5000)

  const stores: Array<Store> = []
  for (const sessions of sizes) {
    const deployed = cleanup.use(await startDeployment(`${home.root}/deployment-${sessions}`))
    const { directory, environment, root } = home
    const worker = { url: deployed.url, data: `${root}/worker-${sessions}`, directory, environment }
    await pair(deployed, worker)
    await fill(deployed, sessions, ids)
    stores.push({ sessions, deployed, worker })
  }

  const starts = stores.map((store) => ({ store, taken: Array<Start>() }))
  for (let round = 0; round < rounds; round++) {
    // Each time another one is the first.
    const first = round % starts.length
    for (const { store, taken } of [...starts.slice(first), ...starts.slice(0, first)]) {
      taken.push(await start(store.worker))
    }
  }
  for (const { store, taken } of starts) {
    const middle = (field: keyof Start) => Math.round(median(taken.map((each) => each[field])))
    yield {
      bench: "startup",
      sessions: store.sessions,
      opencodeSessions: ids.length,
      starts: rounds,
      readyMs: middle("readyMs"),
      readyMinMs: Math.round(Math.min(...taken.map(({ readyMs }) => readyMs))),
      readyRatio: ratio(taken, starts[0]?.taken ?? []),
      opencodeBootMs: middle("opencodeBootMs"),
      rssBytes: middle("rssBytes"),
      heapBytes: middle("heapBytes"),
      ...(await asked(store, home))
    }
  }
}

/** Of the times to Ready in the same round, so that what slows a whole round down does not count: the median. */
const ratio = (taken: ReadonlyArray<Start>, smallest: ReadonlyArray<Start>) => {
  const ratios = taken.map(({ readyMs }, round) => readyMs / (smallest[round]?.readyMs ?? readyMs))
  return Math.round(median(ratios) * 100) / 100
}

type Home = Awaited<ReturnType<typeof openCodeHome>>

interface Store {
  readonly sessions: number
  readonly deployed: Deployment
  readonly worker: WorkerOptions
}

interface Start {
  readonly readyMs: number
  readonly opencodeBootMs: number
  readonly rssBytes: number
  readonly heapBytes: number
}

const own = ["--opencode", openCodeProgram]

const start = async (options: WorkerOptions): Promise<Start> => {
  await using worker = startWorker({ ...options, flags: own, nodeFlags: inspectable })
  const readyMs = worker.timeOf(await worker.prints(/^Ready/m))
  const rssBytes = await residentBytes(worker.pid)
  const heap = await heapBytes(worker)
  const [, boot = ""] = await worker.prints(/^OpenCode .* ([\d,]+) ms/m)
  return { readyMs, opencodeBootMs: Number(boot.replaceAll(",", "")), rssBytes, heapBytes: heap }
}

/** The sessions that OpenCode has: it keeps them in this home. */
const inOpenCode = async (home: Home, count: number) => {
  await using openCode = await serveOpenCode(home)
  return await makeSessions(openCode, count)
}

/** The first start, which also leaves the compiled code behind. */
const pair = async (deployed: Deployment, options: WorkerOptions) => {
  await using worker = startWorker({ ...options, flags: own })
  await using operator = connectTo(deployed)
  const [, code = ""] = await worker.prints(/^Pairing code\s+(\S+)/m)
  await operator.action(api.pairing.approve, { code })
  await worker.prints(/^Ready/m)
}

/** As if the worker had told `count` sessions, and all that OpenCode has now. */
const fill = async (deployed: Deployment, count: number, ids: ReadonlyArray<string>) => {
  const [worker = ""] = await deployed.rows("workers")
  const { _id: workerId, ownerId }: Record<string, unknown> = JSON.parse(worker)
  const sessions = Array.from({ length: count }, (_, index) => {
    const opencodeSessionId = ids[index] ?? `ses_gone${index}`
    return {
      ownerId,
      workerId,
      opencodeSessionId,
      title: `Session ${index}`,
      titledBy: "opencode",
      origin: "opencode",
      status: "idle",
      lastActivityAt: index,
      idempotencyKey: `opencode ${String(workerId)} ${opencodeSessionId}`
    }
  })
  await deployed.fill("sessions", sessions)
  await deployed.fill("syncCursors", [{ workerId, watermark: Date.now() + AHEAD }])
}

/** A list of what changed looks back 15 s from the watermark: with this much more it brings nothing. Milliseconds. */
const AHEAD = 60_000

/** At 20 a second. */
const TRIES = 1200

/** What a start asks of OpenCode, seen at a server that the worker attaches to. */
const asked = async ({ deployed, worker: options }: Store, home: Home) => {
  await using openCode = await serveOpenCode(home)
  using relay = await relayRequests(openCode.url)
  await using worker = startWorker({
    ...options,
    environment: { ...options.environment, OPENCODE_SERVER_PASSWORD: openCode.password },
    flags: ["--attach", relay.url]
  })
  await worker.prints(/^Ready/m)
  // By then it has listed the sessions and told the models: whatever a start does is done.
  const isOver = async () => (await deployed.rows("modelCatalogs")).length > 0 && relay.count(/^GET \/session$/) > 0
  for (let tries = 0; !(await isOver()); tries++) {
    if (tries === TRIES) throw new Error("The worker does not tell the models")
    await sleep(50)
  }
  return {
    restored: relay.count(/ \/session\/ses_/),
    // When the host loads a directory it asks for them, too, beside the tools, and reads no answer.
    modelFetches: relay.count(/^GET \/config\/providers$/) - relay.count(/^GET \/experimental\/tool\/ids$/)
  }
}
