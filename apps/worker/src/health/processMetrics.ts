/** Metrics of this process, by the names that Prometheus clients use. */
import { Effect, Metric } from "effect"
import { packageVersion } from "../info/version.ts"
import { processStart } from "./processStart.ts"

const gauges: Readonly<Record<string, readonly [description: string, value: () => number]>> = {
  process_start_time_seconds: ["Start of the process, in seconds since 1970", () => processStart / 1000],
  process_cpu_seconds_total: [
    "Processor time of the process",
    () => {
      const { system, user } = process.cpuUsage()
      return (system + user) / 1_000_000
    }
  ],
  process_resident_memory_bytes: ["Resident memory of the process", () => process.memoryUsage.rss()],
  nodejs_heap_size_used_bytes: ["JavaScript heap in use", () => process.memoryUsage().heapUsed]
}

/** Registers them until the scope closes. */
export const registerProcessMetrics = Effect.gen(function* () {
  const context = yield* Effect.context()
  const ignored = { update: () => {}, modify: () => {} }
  const registrations = Object.entries(gauges).map(([id, [description, value]]) =>
    id.endsWith("_total")
      ? Metric.registerUnsafe(Metric.counter(id, { description, incremental: true }), context, {
          ...ignored,
          get: () => ({ count: value(), incremental: true })
        })
      : Metric.registerUnsafe(Metric.gauge(id, { description }), context, {
          ...ignored,
          get: () => ({ value: value() })
        })
  )
  const info = Metric.gauge("build_info", {
    description: "1, with the versions",
    attributes: { version: packageVersion, node: process.version }
  })
  registrations.push(Metric.registerUnsafe(info, context, { ...ignored, get: () => ({ value: 1 }) }))
  yield* Effect.addFinalizer(() => Effect.sync(() => registrations.forEach(({ remove }) => remove())))
})
