import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { drawRounds } from "../src/Rounds.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const chaos = (...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, ["--conditions=@opencode-worker/source", main, ...args])

const isFull = process.env["TEST_FULL"] !== undefined
/** `pnpm test:full` runs one of each kind here, and the whole matrix by `pnpm chaos`. */
const some = [
  "worker / a permission open",
  ...(isFull ? ["opencode / a tool running", "socket / ended, before the write"] : [])
]
const away = isFull ? ["--away", "5"] : []

const rounds = (seed: number) => Effect.runSync(drawRounds(20, seed))

describe("chaos", () => {
  it("loses no turn, runs none twice, leaves no request open and no process", { timeout: 600_000 }, async () => {
    const only = some.flatMap((name) => ["--only", name])
    const plan = [...only, ...away, "--rounds", "1", "--seed", "1", "--json"]
    const { stdout } = await chaos(...plan).catch((failure: { readonly stdout: string }) => failure)
    const [first, ...lines] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    const total = lines.pop()
    assert.sameMembers(Object.keys(first.machine), ["cores", "memoryBytes", "node", "opencode", "commit", "quick"])
    assert.deepStrictEqual(
      lines.flatMap(({ case: name, violations }) => violations.map((each: object) => ({ name, ...each }))),
      []
    )
    // After the cells: the absence, the round and the notifications.
    assert.strictEqual(lines.length, some.length + (isFull ? 3 : 2))
    const { turns, ...counts } = total
    assert.deepStrictEqual(counts, {
      chaos: true,
      rounds: 1,
      seed: 1,
      lost: 0,
      duplicated: 0,
      unsettled: 0,
      orphans: 0
    })
    assert.isAbove(turns, 2 * some.length + 1)
    const growths = lines.flatMap(({ memoryGrowthBytes = [] }) => memoryGrowthBytes)
    assert.lengthOf(growths, isFull ? 1 : 0)
    for (const growth of growths) assert.isBelow(growth, 100_000_000)
  })

  it("draws the same rounds from the same seed, and different rounds from another seed", () => {
    assert.deepStrictEqual(rounds(7), rounds(7))
    assert.notDeepEqual(rounds(7), rounds(8))
    assert.strictEqual(new Set(rounds(7).flatMap(({ blows }) => blows.map(({ victim }) => victim))).size, 5)
  })

  it("prints its usage", { timeout: 120_000 }, async () => {
    const error: unknown = await chaos("--rounds", "many").catch((failure: unknown) => failure)
    assert.deepInclude(error, { code: 64, stdout: "" })
  })
})
