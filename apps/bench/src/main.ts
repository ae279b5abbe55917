import { parseArgs } from "node:util"
import { bill } from "./bill.ts"
import { command } from "./command.ts"
import { console as consoleBench } from "./console.ts"
import { consoleLighthouse } from "./consoleLighthouse.ts"
import { dev } from "./dev.ts"
import { embeddedBench as embedded } from "./embedded.ts"
import { imports } from "./imports.ts"
import { models } from "./models.ts"
import { pool } from "./pool.ts"
import { type Line, machine, table } from "./report.ts"
import { startup } from "./startup.ts"
import { stream } from "./stream.ts"
import { sync } from "./sync.ts"

/** Each benchmark yields lines. `quick` makes it small enough for CI, with the same names and fields. */
const benchmarks: Readonly<Record<string, (quick: boolean) => AsyncIterable<Line>>> = {
  bill,
  command,
  console: consoleBench,
  dev,
  embedded,
  imports,
  models,
  pool,
  startup,
  stream,
  sync
}

const usage = `usage: pnpm bench <${Object.keys(benchmarks).join(" | ")}> [--quick] [--json]
       pnpm bench console --lighthouse [--quick] [--json]`

const options = {
  help: { type: "boolean", short: "h" },
  quick: { type: "boolean" },
  json: { type: "boolean" },
  lighthouse: { type: "boolean" }
} as const

/** The benchmark that the arguments name, or an exit code with a text. */
const parse = () => {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options })
    if (values.help === true) return { exitCode: 0, text: usage }
    const [name = "", ...rest] = positionals
    const known = Object.hasOwn(benchmarks, name) && rest.length === 0 ? benchmarks[name] : undefined
    const benchmark = values.lighthouse !== true ? known : known === consoleBench ? consoleLighthouse : undefined
    if (benchmark === undefined) return { exitCode: 64, text: usage }
    return { benchmark, quick: values.quick ?? false, json: values.json ?? false }
  } catch (cause) {
    return { exitCode: 64, text: `${cause instanceof Error ? cause.message : String(cause)}\n${usage}` }
  }
}

// The exit of this process ends the processes of a benchmark.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

const main = async () => {
  const chosen = parse()
  if (chosen.benchmark === undefined) {
    console.error(chosen.text)
    process.exitCode = chosen.exitCode
    return
  }
  const { benchmark, json, quick } = chosen
  const first = await machine(quick)
  console.log(json ? JSON.stringify(first) : table([first.machine]))
  const lines: Array<Line> = []
  for await (const line of benchmark(quick)) {
    if (json) console.log(JSON.stringify(line))
    else lines.push(line)
  }
  if (!json) console.log(`\n${table(lines)}`)
}

await main()
// Without `exit`, Node.js 26 sometimes never ends (https://github.com/nodejs/node/issues/47748).
process.stdout.write("", () => process.exit())
