/**
 * Ninety concurrent callers of the model list: from one running server through the cache, next to the command
 * `opencode models`, once and, unless quick, eight times in parallel. Both run in alternation on the same machine.
 */
import { execFile } from "node:child_process"
import { setTimeout } from "node:timers/promises"
import { promisify } from "node:util"
import { createModelCache } from "@opencode-worker/model-cache/async"
import { listProcesses } from "@opencode-worker/opencode-host"
import { createOpenCodeHost } from "@opencode-worker/opencode-host/async"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { countRequests } from "./countRequests.ts"
import type { Line } from "./report.ts"
import { median, percentile, round } from "./statistics.ts"

const callers = 90

const timed = async <A>(run: () => Promise<A>) => {
  const began = performance.now()
  const result = await run()
  return { ms: performance.now() - began, result }
}

export async function* models(quick: boolean): AsyncGenerator<Line> {
  await using provider = await scriptedProvider(() => Reply.text("Hello."))
  await using home = await openCodeHome({ config: provider.config, catalogue: !quick })
  /** Requests for the list and its default. The host's health checks are not counted. */
  using counted = countRequests("/config")
  const { directory, environment, root } = home
  await using host = await createOpenCodeHost({
    directory,
    environment,
    stateDirectory: `${root}/state`,
    start: "eager"
  })
  const { bootMillis, binary } = await host.server()
  // Requests while the server loads its directory are not counted.
  await host.client.models()
  const processes = () => Effect.runPromise(listProcesses(host.hostId))
  // The server runs git while it loads its directory.
  for (let last = "", now = "."; last !== now; await setTimeout(500)) [last, now] = [now, (await processes()).join()]

  const ours = async () => {
    const before = new Set(await processes())
    await using cache = await createModelCache({ fetch: (signal) => host.client.models({ signal }) })
    counted.count = 0
    const answers = await Promise.all(Array.from({ length: callers }, () => timed(() => cache.get())))
    const { count: requests } = counted
    const after = await processes()
    return {
      times: answers.map(({ ms }) => ms),
      ids: answers[0]?.result.models.map(({ id }) => id) ?? [],
      requests,
      fetches: cache.stats().fetches,
      processes: after.filter((pid) => !before.has(pid)).length
    }
  }

  const list = () =>
    promisify(execFile)(binary?.path ?? "opencode", ["models"], {
      cwd: directory,
      env: { ...environment },
      maxBuffer: 2 ** 24
    })
  const cli = (parallel: number) => timed(() => Promise.all(Array.from({ length: parallel }, list)))

  const rounds = quick ? 1 : 3
  const results: Array<Awaited<ReturnType<typeof ours>>> = []
  const alone: Array<number> = []
  const together: Array<number> = []
  for (let i = 0; i < rounds; i++) {
    const mine = await ours()
    results.push(mine)
    const { ms, result } = await cli(1)
    alone.push(ms)
    if (!quick) together.push((await cli(8)).ms)
    const listed = result[0]?.stdout.trim().split("\n") ?? []
    if (listed.toSorted().join() !== mine.ids.toSorted().join()) throw new Error("The two ways list different models")
  }
  const times = results.flatMap((result) => result.times)
  const most = (field: "requests" | "fetches" | "processes") => Math.max(...results.map((result) => result[field]))
  yield {
    bench: "models",
    callers,
    rounds,
    models: results[0]?.ids.length ?? 0,
    // `requests`: over HTTP, of the whole process. `fetches`: counted by the cache.
    requests: most("requests"),
    fetches: most("fetches"),
    processes: most("processes"),
    p50Ms: round(median(times)),
    p99Ms: round(percentile(times, 0.99)),
    serverBootMs: Math.round(bootMillis),
    cli: {
      parallel1Ms: Math.round(median(alone)),
      ...(together.length > 0 && { parallel8Ms: Math.round(median(together)) })
    }
  }
}
