/**
 * Mutation testing of the pure cores: changes one operator at a time, runs the tests of that core, and reports the changes
 * that no test notices. Mutants exist in memory only, and all runs of a core share one process.
 *
 *   pnpm mutate [core…] [--sample N] [--seed S] [--seconds N] [--json]
 *
 * `--sample` chooses mutants at random, `--seconds` bounds the time per core. Mutants: comparisons, arithmetic, logical operators, boolean literals, conditions (negated), returned values.
 * A mutant that loops too long counts as noticed. Line comments `mutate: equivalent` exempt a line.
 */
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import { createVitest, parseAst } from "vitest/node"

/** Each core with the tests that must notice its mutants. `only`: the mutated declaration, where the rest is not pure. */
const cores = {
  "pool-admission": {
    directory: "packages/session-pool",
    source: "src/internal/Admission.ts",
    tests: ["Admission"]
  },
  "pool-slots": {
    directory: "packages/session-pool",
    source: "src/internal/Slot.ts",
    tests: ["Admission"]
  },
  "pool-grants": {
    directory: "packages/session-pool",
    source: "src/internal/Grant.ts",
    tests: ["Admission"]
  },
  "pool-list": {
    directory: "packages/session-pool",
    source: "src/internal/List.ts",
    tests: ["Admission"]
  },
  freshness: { directory: "packages/model-cache", source: "src/internal/freshness.ts", tests: ["ModelCatalog"] },
  machine: { directory: "packages/worker-fsm", source: "src/machine/Machine.ts", tests: ["machine/Machine"] },
  "worker-table": { directory: "packages/worker-fsm", source: "src/WorkerMachine.ts", tests: ["WorkerMachine"] },
  "worker-timing": { directory: "packages/worker-fsm", source: "src/WorkerTiming.ts", tests: ["WorkerLifecycle"] },
  "session-merge": { directory: "packages/convex-sync", source: "src/SessionMerge.ts", tests: ["SessionMerge"] },
  "delta-buffer": { directory: "packages/convex-sync", source: "src/DeltaBuffer.ts", tests: ["DeltaBuffer"] },
  recovery: {
    directory: "packages/convex-sync",
    source: "src/Recovery.ts",
    only: "decide",
    tests: ["Recovery"],
    testNamePattern: "the decision"
  },
  "turn-end": { directory: "packages/opencode-host", source: "src/Turn.ts", tests: ["Turn", "TurnRecord"] },
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
const mutantsOf = (code, only) => {
  const ast = parseAst(code, { lang: "ts", astType: "ts" })
  const declarations = ast.body.map((node) => node.declaration ?? node)
  const body =
    only === undefined ? ast.body : declarations.filter((node) => node.declarations?.some(({ id }) => id.name === only))
  const mutants = []
  const add = (start, end, text) => mutants.push({ start, end, text })
  const negate = ({ start, end }) => add(start, end, `!(${code.slice(start, end)})`)
  const operator = (left, right, symbol) => {
    const replacement = replacements[symbol]
    if (replacement === undefined) return
    const at = code.indexOf(symbol, left.end)
    if (at < right.start) add(at, at + symbol.length, replacement)
  }
  visit(body, (node) => {
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
  return keyed.slice(0, size).map(({ mutant }) => mutant)
}

const measure = async (name, { directory, only, source, testNamePattern, tests }, { sample, seconds, seed }) => {
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
      testNamePattern,
      testTimeout: 5_000,
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
    const errors = testModules.flatMap((module) =>
      [...module.children.allTests()].flatMap((test) => test.result().errors ?? [])
    )
    const failure = [...unhandledErrors, ...testModules.flatMap((module) => module.errors()), ...errors][0]
    return failure ?? (testModules.every((module) => module.ok()) ? undefined : new Error("a test failed"))
  }
  try {
    await vitest.standalone()
    const failure = await run()
    if (failure !== undefined) throw new Error(`${name}: the tests fail without a mutant`, { cause: failure })
    const all = mutantsOf(code, only)
    const chosen = sampled(all, sample, seed)
    const survivors = []
    const deadline = Date.now() + seconds * 1000
    let tested = 0
    for (const mutant of chosen) {
      if (Date.now() > deadline) break
      tested++
      current = code.slice(0, mutant.start) + mutant.text + code.slice(mutant.end)
      if ((await run()) === undefined) survivors.push(mutant)
    }
    const lines = code.split("\n")
    return {
      core: name,
      mutants: all.length,
      tested,
      killed: tested - survivors.length,
      score: tested === 0 ? 100 : Math.round(((tested - survivors.length) / tested) * 1000) / 10,
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
    seconds: { type: "string", default: "Infinity" },
    json: { type: "boolean", default: false }
  }
})
const names = positionals.length === 0 ? Object.keys(cores) : positionals
for (const name of names) {
  if (!Object.hasOwn(cores, name)) throw new Error(`${name} is not one of ${Object.keys(cores).join(", ")}`)
  const result = await measure(name, cores[name], {
    sample: Number(values.sample),
    seconds: Number(values.seconds),
    seed: Number(values.seed)
  })
  if (values.json) console.log(JSON.stringify(result))
  else {
    const { core, killed, mutants, score, survivors, tested } = result
    console.log(`${core}: ${score} % (${killed} of ${tested} mutants noticed, ${mutants} in all)`)
    for (const survivor of survivors) console.log(`  ${survivor}`)
  }
}
