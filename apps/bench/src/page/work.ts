/** The work of a page's main thread, from a trace of the browser. */
import type { Page, TestBrowser } from "@opencode-worker/harness/browser"
import { percentile, round } from "../statistics.ts"

/** The fields of a trace event that are read. Times in microseconds. */
export interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly pid: number
  readonly tid: number
  readonly ts: number
  /** Processor time of the thread: it has no share of other programs on a busy machine. */
  readonly tdur?: number
  readonly args?: { readonly name?: string }
}

export interface Work {
  readonly frames: number
  /** Milliseconds of processor time between two frames. */
  readonly perFrameP50Ms: number
  readonly perFrameP95Ms: number
  /** Milliseconds of processor time in a second. */
  readonly perSecondMs: number
}

/** The work of the busiest main thread of a renderer. Pure. */
export const workOf = (events: ReadonlyArray<TraceEvent>, seconds: number): Work => {
  const threadOf = ({ pid, tid }: TraceEvent) => `${pid}:${tid}`
  const main = new Set(
    events.filter(({ args, name }) => name === "thread_name" && args?.name === "CrRendererMain").map(threadOf)
  )
  const own = events.filter((event) => main.has(threadOf(event)))
  const tasksBy = Map.groupBy(
    own.filter(({ name }) => name === "RunTask"),
    threadOf
  )
  const sumOf = (list: ReadonlyArray<TraceEvent>) => list.reduce((sum, { tdur = 0 }) => sum + tdur, 0)
  const [busiest = "", tasks = []] = [...tasksBy].toSorted(([, a], [, b]) => sumOf(b) - sumOf(a))[0] ?? []
  const starts = own
    .filter((event) => event.name === "BeginMainThreadFrame" && threadOf(event) === busiest)
    .map(({ ts }) => ts)
    .toSorted((a, b) => a - b)
  const perFrame = starts.map(() => 0)
  for (const { tdur = 0, ts } of tasks) {
    // The task of a frame contains its start, so it is counted to it.
    const at = starts.findLastIndex((start) => start <= ts + 1_000)
    if (at >= 0) perFrame[at] = (perFrame[at] ?? 0) + tdur / 1_000
  }
  return {
    frames: starts.length,
    perFrameP50Ms: round(percentile(perFrame, 0.5)),
    perFrameP95Ms: round(percentile(perFrame, 0.95)),
    perSecondMs: round(sumOf(tasks) / 1_000 / seconds)
  }
}

const categories = [
  "disabled-by-default-devtools.timeline",
  "devtools.timeline",
  "toplevel",
  "disabled-by-default-devtools.timeline.frame",
  "__metadata"
]

/** Records while `run` runs. */
export const recordWork = async (
  browser: TestBrowser["browser"],
  page: Page,
  run: () => Promise<unknown>
): Promise<Work> => {
  await browser.startTracing(page, { categories })
  const from = performance.now()
  let seconds: number
  let trace: Buffer
  try {
    await run()
  } finally {
    seconds = (performance.now() - from) / 1_000
    trace = await browser.stopTracing()
  }
  const parsed: { readonly traceEvents: ReadonlyArray<TraceEvent> } = JSON.parse(trace.toString("utf8"))
  return workOf(parsed.traceEvents, seconds)
}
