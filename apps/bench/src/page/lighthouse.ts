/**
 * Lighthouse, as on a phone with a slow network, in the browser of the tests. It has 28 dependencies, so it is installed apart from
 * the workspace, in `node_modules/.cache`, when it runs first.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { percentile } from "../statistics.ts"

const run = promisify(execFile)
const version = "13.5.0"
const cache = fileURLToPath(new URL("../../../../node_modules/.cache/lighthouse", import.meta.url))
const categories = ["performance", "accessibility", "best-practices"] as const

export interface Scores {
  /** Of 100, the median of the runs. */
  readonly performance: number
  /** Of the best run: other programs of the machine only take from it. */
  readonly performanceMax: number
  readonly accessibility: number
  readonly bestPractices: number
  /** Milliseconds of the simulated phone, medians. */
  readonly firstPaintMs: number
  readonly largestPaintMs: number
  readonly blockedMs: number
  readonly layoutShift: number
  /** The folder of the raw reports. */
  readonly reports: string
}

interface Report {
  readonly categories: Readonly<Record<(typeof categories)[number], { readonly score: number }>>
  readonly audits: Readonly<Record<string, { readonly numericValue?: number }>>
}

const installed = async (): Promise<string> => {
  const folder = join(cache, version)
  const program = join(folder, "node_modules/lighthouse/cli/index.js")
  if (existsSync(program)) return program
  await mkdir(folder, { recursive: true })
  await writeFile(
    join(folder, "package.json"),
    JSON.stringify({ private: true, dependencies: { lighthouse: version } })
  )
  await run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: folder })
  return program
}

const attempts = 5

/** Now and then a trace of the browser has no start, and Lighthouse asks for another run. */
const retried = async (work: () => Promise<unknown>): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work()
      return
    } catch (error) {
      if (attempt === attempts) throw error
    }
  }
}

export interface Visit {
  /** Of the browser. */
  readonly port: number
  readonly url: string
  /** Of the page, for the reports. */
  readonly name: string
  /** Keeps storage and cache of the page, so that a paired page stays paired. Otherwise each run is a first visit. */
  readonly isReturning: boolean
}

export const lighthouse = async ({ isReturning, name, port, url }: Visit, runs: number): Promise<Scores> => {
  const program = await installed()
  const reports: Array<Report> = []
  for (let index = 1; index <= runs; index += 1) {
    const file = join(cache, `${name}-${index}.json`)
    await retried(() =>
      run(process.execPath, [
        program,
        url,
        `--port=${port}`,
        ...(isReturning ? ["--disable-storage-reset"] : []),
        "--quiet",
        "--form-factor=mobile",
        `--only-categories=${categories.join(",")}`,
        "--output=json",
        `--output-path=${file}`
      ])
    )
    const report: Report = JSON.parse(await readFile(file, "utf8"))
    reports.push(report)
  }
  const score = (category: (typeof categories)[number]) =>
    Math.round(
      100 *
        percentile(
          reports.map((report) => report.categories[category].score),
          0.5
        )
    )
  const audit = (id: string) =>
    percentile(
      reports.map(({ audits }) => audits[id]?.numericValue ?? 0),
      0.5
    )
  return {
    performance: score("performance"),
    performanceMax: Math.round(100 * Math.max(...reports.map((report) => report.categories.performance.score))),
    accessibility: score("accessibility"),
    bestPractices: score("best-practices"),
    firstPaintMs: Math.round(audit("first-contentful-paint")),
    largestPaintMs: Math.round(audit("largest-contentful-paint")),
    blockedMs: Math.round(audit("total-blocking-time")),
    layoutShift: Number(audit("cumulative-layout-shift").toFixed(4)),
    reports: cache
  }
}
