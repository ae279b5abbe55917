/**
 * The time of a worker's start to Ready, by the number of sessions in its deployment, with a concurrent boot of OpenCode:
 * the built command in its own process, with deployments in other processes. The time is from spawn to the `Ready` line.
 * The sizes alternate, so that a noisy moment does not affect one size only.
 */
import { setTimeout as sleep } from "node:timers/promises"
import {
  type Deployment,
  openCodeProgram,
  residentBytes,
  startDeployment,
  startWorker,
  type WorkerOptions
} from "@opencode-worker/harness"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
import { makeSessions, type OpenCode, serveOpenCode } from "./product/opencode.ts"
import { connectTo } from "./product/operator.ts"
import { relayRequests } from "./product/requests.ts"
import { bareNode, startFloor } from "./product/bareNode.ts"
import { heapBytes, inspectable } from "./product/worker.ts"
import type { Line } from "./report.ts"
import { median } from "./statistics.ts"

export async function* startup(quick: boolean): AsyncGenerator<Line> {
  const sizes = quick ? [255] : [0, 255, 1000, 10_000, 100_000]
  const rounds = quick ? 1 : 15
  await using cleanup = new AsyncDisposableStack()
  const provider = cleanup.use(await scriptedProvider(() => Reply.text("Hello.")))
  const home = cleanup.use(await openCodeHome({ config: provider.config, catalogue: !quick }))
  const stores = await prepare(home, sizes, quick ? 50 : 5000, cleanup)

  const starts = stores.map((store) => ({ store, taken: Array<Start>() }))
  const bare: Array<Bare> = []
  const url = stores[0]?.deployed.url ?? ""
  const floor = await startFloor(home, url)
  for (let round = 0; round < rounds; round++) {
    bare.push({ ...(await bareNode(url)), floorMs: await floor() })
    // Each round begins with another size.
    const first = round % starts.length
    for (const { store, taken } of [...starts.slice(first), ...starts.slice(0, first)]) {
      taken.push(await start(store.worker))
    }
  }
  // Not before: it would share the processor, and OpenCode's database.
  const openCode = cleanup.use(await serveOpenCode(home))
  for (const { store, taken } of starts) {
    const middle = (field: keyof Start) => Math.round(median(taken.map((each) => each[field])))
    yield {
      bench: "startup",
      sessions: store.sessions,
      opencodeSessions: store.opencodeSessions,
      starts: rounds,
      readyMs: middle("readyMs"),
      readyMinMs: Math.round(Math.min(...taken.map(({ readyMs }) => readyMs))),
      readyRatio: ratio(taken, starts[0]?.taken ?? []),
      ...against(taken, bare),
      opencodeBootMs: middle("opencodeBootMs"),
      rssBytes: middle("rssBytes"),
      heapBytes: middle("heapBytes"),
      ...(await asked(store, openCode))
    }
  }
}

/** The median of the ratios within a round, which a slow round does not change. */
const ratio = (taken: ReadonlyArray<Start>, smallest: ReadonlyArray<Start>) => {
  const ratios = taken.map(({ readyMs }, round) => readyMs / (smallest[round]?.readyMs ?? readyMs))
  return Math.round(median(ratios) * 100) / 100
}

/** Next to Node.js that starts and ends, and to one that has only loaded `effect` and the Convex client. */
const against = (taken: ReadonlyArray<Start>, bare: ReadonlyArray<Bare>) => {
  const middle = (of: (start: Start, round: number) => number) => Math.round(median(taken.map(of)) * 100) / 100
  return {
    readyToNode: middle(({ readyMs }, round) => readyMs / (bare[round]?.startMs ?? NaN)),
    answerToNode: Math.round(median(bare.map(({ answerMs, startMs }) => answerMs / startMs)) * 100) / 100,
    floorToNode: Math.round(median(bare.map(({ floorMs, startMs }) => floorMs / startMs)) * 100) / 100,
    rssToLibraries: middle(({ rssBytes }, round) => rssBytes / (bare[round]?.rssBytes ?? NaN)),
    peer: {
      name: "node; with effect and convex/browser",
      startMs: Math.round(median(bare.map(({ startMs }) => startMs))),
      rssBytes: Math.round(median(bare.map(({ rssBytes }) => rssBytes)))
    }
  }
}

type Bare = Awaited<ReturnType<typeof bareNode>> & { readonly floorMs: number }

type Home = Awaited<ReturnType<typeof openCodeHome>>

interface Store {
  readonly sessions: number
  readonly opencodeSessions: number
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

/** A worker that uses a running server, at its address or a relay to it. */
const attachedTo = ({ password }: OpenCode, url: string, options: WorkerOptions): WorkerOptions => ({
  ...options,
  environment: { ...options.environment, OPENCODE_SERVER_PASSWORD: password },
  flags: ["--attach", url]
})

const start = async (options: WorkerOptions): Promise<Start> => {
  await using worker = startWorker({ ...options, flags: own, nodeFlags: inspectable })
  const readyMs = worker.timeOf(await worker.prints(/^Ready/m))
  const rssBytes = await residentBytes(worker.pid)
  const heap = await heapBytes(worker)
  const [, boot = ""] = await worker.prints(/^OpenCode .* ([\d,]+) ms/m)
  return { readyMs, opencodeBootMs: Number(boot.replaceAll(",", "")), rssBytes, heapBytes: heap }
}

/** Sessions in OpenCode, which stores them in this home, and for each size a deployment with a paired worker. */
const prepare = async (
  home: Home,
  sizes: ReadonlyArray<number>,
  opencodeSessions: number,
  cleanup: AsyncDisposableStack
): Promise<ReadonlyArray<Store>> => {
  await using openCode = await serveOpenCode(home)
  const ids = await makeSessions(openCode, opencodeSessions)
  const stores: Array<Store> = []
  for (const sessions of sizes) {
    const deployed = cleanup.use(await startDeployment(`${home.root}/deployment-${sessions}`))
    const { directory, environment, root } = home
    const worker = { url: deployed.url, data: `${root}/worker-${sessions}`, directory, environment }
    await pair(deployed, worker, openCode)
    await fill(deployed, sessions, ids)
    stores.push({ sessions, opencodeSessions, deployed, worker })
  }
  return stores
}

/** The first start, which also writes the compile cache. */
const pair = async (deployed: Deployment, options: WorkerOptions, openCode: OpenCode) => {
  await using worker = startWorker(attachedTo(openCode, openCode.url, options))
  await using operator = connectTo(deployed)
  const [, code = ""] = await worker.prints(/^Pairing code\s+(\S+)/m)
  await operator.workers.approve(code)
  await worker.prints(/^Ready/m)
}

/** Fills the deployment as if the worker had synced `count` sessions and all sessions of OpenCode. */
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
      titleSource: "opencode",
      origin: "opencode",
      status: "idle",
      lastActivityAt: index,
      idempotencyKey: `opencode ${String(workerId)} ${opencodeSessionId}`
    }
  })
  await deployed.fill("sessions", sessions)
  await deployed.fill("syncCursors", [{ workerId, watermark: Date.now() + AHEAD }])
}

/** Milliseconds. A list of changes looks back 15 s from the watermark. With this offset it is empty. */
const AHEAD = 60_000

/** 20 per second. */
const TRIES = 1200

/** The requests of a start, counted at a server that the worker attaches to. */
const asked = async ({ worker: options }: Store, openCode: OpenCode) => {
  using relay = await relayRequests(openCode.url)
  await using worker = startWorker(attachedTo(openCode, relay.url, options))
  await worker.prints(/^Ready/m)
  // While the host loads a directory it requests them together with the tools, and reads no response.
  const modelFetches = () => relay.count(/^GET \/config\/providers$/) - relay.count(/^GET \/experimental\/tool\/ids$/)
  for (let tries = 0; modelFetches() < 1 || relay.count(/^GET \/session$/) === 0; tries++) {
    if (tries === TRIES) throw new Error("The worker did not request the models and the sessions")
    await sleep(50)
  }
  // Requests that follow count too.
  await sleep(1000)
  return { restored: relay.count(/ \/session\/ses_/), modelFetches: modelFetches() }
}
