import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { limit, runWorker } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

const packageRoot = join(import.meta.dirname, "../..")
const readme = readFileSync(join(packageRoot, "../../packages/client/README.md"), "utf8")
const [, program = ""] = /^```ts\n(.*?)^```$/ms.exec(readme) ?? []

export const clientReadmeTests = inWorld("the client's README", (it) => {
  it.effect(
    "shows a program that prints the answer of a worker",
    () =>
      Effect.gen(function* () {
        const { operatorToken, url } = yield* EmbeddedDeployment
        yield* runWorker
        const token = yield* operatorToken
        // A program from `--eval` imports packages as a file in `cwd` does.
        const { stdout } = yield* Effect.promise((signal) =>
          promisify(execFile)(process.execPath, ["--input-type=module-typescript", "--eval", program], {
            cwd: packageRoot,
            env: { ...process.env, OPENCODE_WORKER_URL: url, OPENCODE_WORKER_TOKEN: token },
            signal
          })
        )
        assert.deepStrictEqual(stdout.trim().split("\n").slice(-2), [
          "completed 1: Say hello.",
          "completed scripted/echo"
        ])
      }),
    limit
  )
})
