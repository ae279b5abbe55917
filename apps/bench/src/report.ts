import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { availableParallelism, totalmem } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { pinnedOpenCode } from "@opencode-worker/harness"

/** One result. Times in milliseconds, sizes in bytes, exact counts. An object is a peer. */
export type Line = Readonly<
  Record<string, string | number | boolean | null | Readonly<Record<string, string | number | null>>>
>

/** The machine that the lines were measured on. */
export const machine = async (quick: boolean) => ({
  machine: {
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    opencode: await openCodeVersion(),
    commit: await commit(),
    quick
  }
})

/** From the package of the program, which takes a CPU second to print it. */
const openCodeVersion = (): Promise<string | null> =>
  readFile(join(dirname(pinnedOpenCode), "..", "package.json"), "utf8").then(
    (text) => JSON.parse(text).version,
    () => null
  )

const commit = () =>
  promisify(execFile)("git", ["rev-parse", "--short", "HEAD"]).then(
    ({ stdout }) => stdout.trim(),
    () => null
  )

/** A table: one column per line, one row per field. */
export const table = (lines: ReadonlyArray<Line>): string => {
  const columns = lines.map((line) => flatten(line))
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))]
  const rows = names.map((name) => [name, ...columns.map((column) => column.get(name) ?? "")])
  const widths = [0, ...lines.map((_, i) => i + 1)].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

const flatten = (line: Line) =>
  new Map(
    Object.entries(line).flatMap(([name, value]) =>
      typeof value === "object" && value !== null
        ? Object.entries(value).map(([inner, each]): [string, string] => [`${name}.${inner}`, format(each)])
        : [[name, format(value)] satisfies [string, string]]
    )
  )

const format = (value: string | number | boolean | null) =>
  typeof value === "number" ? value.toLocaleString("en-US", { maximumFractionDigits: 1 }) : String(value)
