/** Measured sizes of processes, minute by minute, and whether they have stopped growing. */
import { readdir } from "node:fs/promises"
import { residentBytes } from "@opencode-worker/harness"
import type { Page } from "@opencode-worker/harness/browser"
import { assert } from "@effect/vitest"

/** Sizes by the names of their columns, which end with the unit. */
export type Sample = Readonly<Record<string, number>>

const MiB = 2 ** 20

/** Resident megabytes and open descriptors of a process. */
export const processSizes = async (name: string, pid: number): Promise<Sample> => ({
  [`${name} MB`]: Math.round((10 * (await residentBytes(pid))) / MiB) / 10,
  [`${name} fd`]: (await readdir(`/proc/${pid}/fd`)).length
})

/** Sizes of a page after a collection. */
export const pageMeter = async (name: string, page: Page) => {
  const session = await page.context().newCDPSession(page)
  await session.send("Performance.enable")
  return async (): Promise<Sample> => {
    await session.send("HeapProfiler.collectGarbage")
    const { metrics } = await session.send("Performance.getMetrics")
    const metric = (wanted: string) => metrics.find((each) => each.name === wanted)?.value ?? Number.NaN
    return {
      [`${name} MB`]: Math.round((10 * metric("JSHeapUsedSize")) / MiB) / 10,
      [`${name} nodes`]: metric("Nodes"),
      [`${name} listeners`]: metric("JSEventListeners")
    }
  }
}

/** The samples as a table, one line per minute. */
const table = (samples: ReadonlyArray<Sample>): string => {
  const names = Object.keys(samples[0] ?? {})
  const widths = ["minute", ...names].map(({ length }) => length)
  const rows = samples.map((sample, index) => [index + 1, ...names.map((name) => sample[name])])
  return [["minute", ...names], ...rows]
    .map((row) => row.map((cell, column) => String(cell).padStart(widths[column] ?? 0)).join("  "))
    .join("\n")
}

/** The newest line of the table; the first one has the names of the columns above it. */
export const newest = (samples: ReadonlyArray<Sample>): string =>
  table(samples)
    .split("\n")
    .slice(samples.length === 1 ? 0 : -1)
    .join("\n")

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** Of the middle third and of the last one. */
const medians = (samples: ReadonlyArray<Sample>, name: string): readonly [middle: number, last: number] => {
  const third = Math.ceil(samples.length / 3)
  const of = (part: ReadonlyArray<Sample>) => median(part.map((sample) => sample[name] ?? Number.NaN))
  return [of(samples.slice(-2 * third, -third)), of(samples.slice(-third))]
}

/** By how much the last third may exceed the middle one, by the column or its unit. Other columns may grow. */
type Margins = Readonly<Record<string, readonly [factor: number, more: number]>>
const usual: Margins = {
  MB: [1.15, 20],
  // Its runtime collects late.
  "opencode MB": [1.5, 50],
  // Of a leak, each turn adds one.
  fd: [1.25, 30],
  nodes: [1.1, 500],
  listeners: [1.1, 100]
}

/** `others`: margins in place of the usual ones. */
export const assertPlateau = (samples: ReadonlyArray<Sample>, others: Margins = {}): void => {
  const margins = { ...usual, ...others }
  for (const name of Object.keys(samples[0] ?? {})) {
    const [factor, more] = margins[name] ?? margins[name.split(" ").at(-1) ?? ""] ?? [1, Number.POSITIVE_INFINITY]
    const [middle, last] = medians(samples, name)
    assert.isAtMost(last, middle * factor + more, `${name}\n${table(samples)}`)
  }
}
