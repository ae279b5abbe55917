import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe("bench models", () => {
  it(
    "serves ninety callers by one request and no process, faster than one run of the command",
    { timeout: 180_000 },
    async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        "--conditions=@opencode-worker/source",
        main,
        "models",
        "--quick",
        "--json"
      ])
      const [, line] = stdout
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text))
      assert.deepInclude(line, { bench: "models", callers: 90, requests: 1, fetches: 1, processes: 0 })
      assert.isAbove(line.models, 0)
      assert.isBelow(line.p50Ms, line.cli.parallel1Ms)
    }
  )
})
