/**
 * Mutation testing of the pure cores: changes one operator at a time, runs the tests of that core, and reports the changes
 * that no test notices. Stryker does not support this toolchain.
 *
 *   pnpm mutate [core…] [--sample N] [--seed S] [--json]
 *
 * Mutants: comparisons, arithmetic, logical operators, boolean literals, conditions (negated), returned values.
 * A mutant that loops too long counts as noticed. Line comments `mutate: equivalent` exempt a line.
 */
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import { createVitest, parseAst } from "vitest/node"

/** Each core with the tests that must notice its mutants. */
const cores = {
  "pool-admission": {
    directory: "packages/session-pool",
    source: "src/internal/Admission.ts",
    tests: ["Admission", "SessionPool"]
  },
  "pool-slots": {
    directory: "packages/session-pool",
    source: "src/internal/Slot.ts",
    tests: ["Admission", "SessionPool"]
  },
  freshness: { directory: "packages/model-cache", source: "src/internal/freshness.ts", tests: ["ModelCatalog"] },
  machine: { directory: "packages/worker-fsm", source: "src/machine/Machine.ts", tests: ["machine/Machine"] },
  "worker-table": { directory: "packages/worker-fsm", source: "src/WorkerMachine.ts", tests: ["WorkerMachine"] },
  "worker-timing": { directory: "packages/worker-fsm", source: "src/WorkerTiming.ts", tests: ["WorkerLifecycle"] },
  "session-merge": { directory: "packages/convex-sync", source: "src/SessionMerge.ts", tests: ["SessionMerge"] },
  "delta-buffer": { directory: "packages/convex-sync", source: "src/DeltaBuffer.ts", tests: ["DeltaBuffer"] },
  recovery: { directory: "packages/convex-sync", source: "src/Recovery.ts", tests: ["Recovery"] },
  "turn-end": { directory: "packages/opencode-host", source: "src/Turn.ts", tests: ["Turn"] },
  "turn-record": { directory: "packages/opencode-host", source: "src/TurnRecord.ts", tests: ["TurnRecord"] },
  "turn-view": { directory: "packages/client", source: "src/TurnView.ts", tests: ["TurnView"] }
}

const replacements = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "&&": "||",
  "||": "&&",
  "+=": "-=",
  "-=": "+=",
  "++": "--",
  "--": "++"
}

const conditions = ["@opencode-worker/source"]

/** Visits each node of the runtime code; types are skipped. */
const visit = (node, enter) => {
  if (Array.isArray(node)) return node.forEach((each) => visit(each, enter))
  if (typeof node?.type !== "string" || node.type.startsWith("TSType") || node.type.startsWith("TSInterface")) return
  enter(node)
  for (const [key, child] of Object.entries(node)) {
    if (typeof child === "object" && key !== "typeAnnotation" && key !== "returnType") visit(child, enter)
  }
}

/** The changes to a source: `[start, end)` becomes `text`. */
const mutantsOf = (code) => {
  const ast = parseAst(code, { lang: "ts", astType: "ts" })
  const mutants = []
  const add = (start, end, text) => mutants.push({ start, end, text })
  const negate = ({ start, end }) => add(start, end, `!(${code.slice(start, end)})`)
  const operator = (left, right, symbol) => {
    const replacement = replacements[symbol]
    if (replacement === undefined) return
    const at = code.indexOf(symbol, left.end)
    if (at < right.start) add(at, at + symbol.length, replacement)
  }
  visit(ast.body, (node) => {
    switch (node.type) {
      case "BinaryExpression":
      case "LogicalExpression":
      case "AssignmentExpression":
        return operator(node.left, node.right, node.operator)
      case "UpdateExpression": {
        const at = node.prefix ? node.start : node.argument.end
        return add(at, at + 2, replacements[node.operator])
      }
      case "UnaryExpression":
        return node.operator === "!" && add(node.start, node.start + 1, "")
      case "Literal":
        return typeof node.value === "boolean" && add(node.start, node.end, String(!node.value))
      case "IfStatement":
      case "ConditionalExpression":
        return negate(node.test)
      case "ReturnStatement":
        return (
          node.argument &&
          node.argument.name !== "undefined" &&
          add(node.argument.start, node.argument.end, "undefined")
        )
    }
  })
  const lines = code.split("\n")
  return mutants
    .map((mutant) => ({ ...mutant, line: code.slice(0, mutant.start).split("\n").length }))
    .filter(({ line }) => !lines[line - 1].includes("mutate: equivalent"))
    .toSorted((a, b) => a.start - b.start)
}

/** Stops loops that a mutant made endless. */
const withLoopLimit = (code) => {
  const ast = parseAst(code, { lang: "ts", astType: "ts" })
  const starts = []
  visit(ast.body, (node) => {
    if (/^(For|While|DoWhile)/.test(node.type) && node.body.type === "BlockStatement") starts.push(node.body.start + 1)
  })
  const limited = starts
    .toSorted((a, b) => b - a)
    .reduce((text, at) => `${text.slice(0, at)}mutantTick();${text.slice(at)}`, code)
  const tick = `let mutantTicks = 0; const mutantTick = () => { if (++mutantTicks > 5_000_000) throw new Error("endless") }`
  return `${limited}\n${tick}\n`
}

/** A generator of numbers in [0, 1) that are the same for the same seed (mulberry32). */
const random = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const sampled = (mutants, size, seed) => {
  const next = random(seed)
  const keyed = mutants.map((mutant) => ({ mutant, key: next() })).toSorted((a, b) => a.key - b.key)
  return keyed
    .slice(0, size)
    .map(({ mutant }) => mutant)
    .toSorted((a, b) => a.start - b.start)
}

const measure = async (name, { directory, source, tests }, { sample, seed }) => {
  const root = resolve(directory)
  const file = resolve(root, source)
  const code = await readFile(file, "utf8")
  let current = code
  const mutation = {
    name: "mutation",
    enforce: "pre",
    transform: (_, id) => (id.split("?")[0] === file ? withLoopLimit(current) : undefined)
  }
  const vitest = await createVitest(
    {
      root,
      config: false,
      watch: false,
      bail: 1,
      isolate: true,
      maxWorkers: 1,
      testTimeout: 20_000,
      reporters: [{}],
      silent: true,
      // The cache would return the code before the mutation.
      fsModuleCache: false
    },
    { plugins: [mutation], resolve: { conditions }, ssr: { resolve: { conditions } } }
  )
  const run = async () => {
    vitest.invalidateFile(file)
    const all = await vitest.globTestSpecifications(tests.map((test) => `/${test}.test.ts`))
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(all)
    if (testModules.length === 0) throw new Error(`${name}: there are no tests ${tests}`)
    return unhandledErrors.length === 0 && testModules.every((module) => module.ok())
  }
  try {
    await vitest.standalone()
    if (!(await run())) throw new Error(`${name}: the tests fail without a mutant`)
    const all = mutantsOf(code)
    const chosen = sampled(all, sample, seed)
    const survivors = []
    for (const mutant of chosen) {
      current = code.slice(0, mutant.start) + mutant.text + code.slice(mutant.end)
      if (await run()) survivors.push(mutant)
    }
    const lines = code.split("\n")
    return {
      core: name,
      mutants: all.length,
      tested: chosen.length,
      killed: chosen.length - survivors.length,
      score: chosen.length === 0 ? 100 : Math.round(((chosen.length - survivors.length) / chosen.length) * 1000) / 10,
      survivors: survivors.map(
        ({ end, line, start, text }) =>
          `${directory}/${source}:${line} ${code.slice(start, end)} → ${text} in ${lines[line - 1].trim()}`
      )
    }
  } finally {
    await vitest.close()
  }
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: "string", default: "Infinity" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false }
  }
})
const names = positionals.length === 0 ? Object.keys(cores) : positionals
for (const name of names) {
  if (!Object.hasOwn(cores, name)) throw new Error(`${name} is not one of ${Object.keys(cores).join(", ")}`)
  const result = await measure(name, cores[name], { sample: Number(values.sample), seed: Number(values.seed) })
  if (values.json) console.log(JSON.stringify(result))
  else {
    const { core, killed, mutants, score, survivors, tested } = result
    console.log(`${core}: ${score} % (${killed} of ${tested} mutants noticed, ${mutants} in all)`)
    for (const survivor of survivors) console.log(`  ${survivor}`)
  }
}
