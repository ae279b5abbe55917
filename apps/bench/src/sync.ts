/**
 * The cost of session sync: the first pass over all sessions, passes after 0, 3 and 100 changes, and full lists by a new
 * sync after 0 and 3 renames. It is the worker's own sync between a real OpenCode server and a real deployment. Requests are
 * counted where they leave this process, mutations and queries on the wire, rows by the difference of the tables.
 */
import { Lease, Pairing, type SessionEvent, type SessionSource, SessionSync } from "@opencode-worker/convex-sync"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { type AsyncOpenCodeHost, createOpenCodeHost } from "@opencode-worker/opencode-host/async"
import { type Deployment, startDeployment } from "@opencode-worker/harness"
import { openCodeHome } from "@opencode-worker/testkit"
import { Context, Effect, Layer, Logger, Queue, Stream } from "effect"
import { countRequests, type RequestCount } from "./countRequests.ts"
import { makeSessions, type OpenCode, serveOpenCode } from "./product/opencode.ts"
import { connectTo } from "./product/operator.ts"
import type { Line } from "./report.ts"

export async function* sync(quick: boolean): AsyncGenerator<Line> {
  await using home = await openCodeHome()
  await using openCode = await serveOpenCode(home)
  const ids = await makeSessions(openCode, quick ? 120 : 5000)
  await using deployed = await startDeployment(`${home.root}/deployment`)
  const { password, url } = openCode
  await using host = await createOpenCodeHost({ directory: home.directory, attach: { url, password } })
  await host.client.agents()
  using requests = countRequests("/session")
  const measured = Effect.scoped(passes({ deployed, host, ids, openCode, quick, requests }))
  // Standard output is the report.
  yield* await Effect.runPromise(Effect.provide(measured, Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])))
}

interface World {
  readonly deployed: Deployment
  readonly host: AsyncOpenCodeHost
  readonly openCode: OpenCode
  readonly ids: ReadonlyArray<string>
  readonly quick: boolean
  readonly requests: RequestCount
}

const passes = Effect.fnUntraced(function* (world: World) {
  const { deployed, host, ids, openCode, quick, requests } = world
  const lease = yield* leaseOf(deployed)
  const begun = yield* Queue.unbounded<void>()
  const events = yield* Queue.unbounded<SessionEvent>()
  const list = { requests: 0, beganAt: 0, endedAt: 0 }

  const source: SessionSource = {
    events: Stream.fromQueue(events),
    list: Effect.fnUntraced(function* (since) {
      yield* Queue.offer(begun, undefined)
      const [before, beganAt] = [requests.count, performance.now()]
      // A sync that ends within a request would leave requests that are counted for the next one.
      const listed = yield* Effect.uninterruptible(Effect.promise(() => host.client.sessions.list({ since })))
      Object.assign(list, { requests: requests.count - before, beganAt, endedAt: performance.now() })
      return listed.map(({ id, time, title }) => ({ id, title, updated: time.updated }))
    })
  }
  const timed = <A, E>(call: Effect.Effect<A, E>) =>
    Effect.tap(call, () => Effect.sync(() => (list.endedAt = performance.now())))
  const timedLease = Lease.of({
    ...lease,
    mutation: (mutation, args) => timed(lease.mutation(mutation, args)),
    query: (query, args) => timed(lease.query(query, args))
  })
  const listNow = Queue.offer(events, { _tag: "Gap" })

  /** One list and the sync of its changes, which is over when the next list begins. */
  const pass = Effect.fnUntraced(function* <R>(name: string, changes: number, start: Effect.Effect<unknown, never, R>) {
    const before = new Set(yield* rows(deployed))
    yield* Effect.promise(deployed.traffic)
    yield* start
    yield* Queue.take(begun)
    yield* listNow
    yield* Queue.take(begun)
    const { beganAt, endedAt, requests: opencodeRequests } = { ...list }
    const { mutations, results } = yield* Effect.promise(deployed.traffic)
    const written = (yield* rows(deployed)).filter((row) => !before.has(row))
    return {
      bench: "sync",
      case: name,
      sessions: ids.length,
      changes,
      opencodeRequests,
      rowsWritten: written.length,
      mutations: mutations["sync:apply"] ?? 0,
      queries: results["sync:diff"] ?? 0,
      ms: Math.round(endedAt - beganAt)
    } satisfies Line
  })

  const begin = (options?: SessionSync.SessionSyncOptions) =>
    SessionSync.run(source, { interval: "1 hour", ...options }).pipe(
      Effect.provideService(Lease, timedLease),
      Effect.forkScoped
    )
  const ofOneProcess = Effect.gen(function* () {
    const lines: Array<Line> = [yield* pass("first", ids.length, begin())]
    // A list looks back a few seconds, and would return all sessions that were just created. In daily use there are few.
    if (!quick) yield* Effect.sleep("16 seconds")
    for (const changes of [0, 3, 100]) {
      yield* Effect.promise(() => touch(openCode, ids.slice(0, changes)))
      lines.push(yield* pass("changes", changes, listNow))
    }
    return lines
  })
  const lines = yield* Effect.scoped(ofOneProcess)
  for (const changes of [0, 3]) {
    yield* Effect.promise(() => rename(openCode, ids.slice(0, changes)))
    lines.push(yield* Effect.scoped(pass("restart", changes, begin({ fullInterval: 0 }))))
  }
  return lines
})

/** The tables that a pass may write to. */
const rows = (deployed: Deployment) =>
  Effect.map(
    Effect.promise(() => Promise.all([deployed.rows("sessions"), deployed.rows("syncCursors")])),
    (tables) => tables.flat()
  )

/** Updates the time of sessions, as work in them does. */
const touch = async (openCode: OpenCode, ids: ReadonlyArray<string>) => {
  for (const id of ids) await openCode.request(`/session/${id}`, "PATCH", { metadata: { at: performance.now() } })
}

/** Renames sessions. This does not update their time, so only a full list shows it. */
const rename = async (openCode: OpenCode, ids: ReadonlyArray<string>) => {
  for (const id of ids) await openCode.request(`/session/${id}`, "PATCH", { title: `Renamed ${id}` })
}

/** The lease of a newly paired worker, over the counted connection. */
const leaseOf = Effect.fnUntraced(function* (deployed: Deployment) {
  const convex = yield* ConvexClient.make({ url: deployed.counted })
  const attempt = yield* Effect.provideService(
    Pairing.begin({ machine: "bench", directory: "/bench" }),
    ConvexClient,
    convex
  )
  const { secret } = attempt
  const workerId = yield* Effect.promise(async () => {
    await using operator = connectTo(deployed)
    return await operator.workers.approve(attempt.code)
  })
  const services = yield* Layer.build(
    Layer.provide(Lease.layer({ workerId, secret }, { processId: "bench" }), Layer.succeed(ConvexClient, convex))
  )
  return Context.get(services, Lease)
})
