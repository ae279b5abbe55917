import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as command from "../support/command.ts"

const run = command.runner()

/** Answers like an OpenCode of another version. */
const server = (version: string) => `#!${process.execPath}
const port = process.argv[process.argv.indexOf("--port") + 1]
require("node:http").createServer((request, response) => {
  response.setHeader("content-type", "application/json")
  response.end(JSON.stringify({ healthy: true, version: "${version}" }))
}).listen(port, "127.0.0.1", () => console.log("opencode server listening on http://127.0.0.1:" + port))
`

const cases = [
  [
    "another version",
    server("1.17.9"),
    /OpenCode 1\.17\.9 is not supported: this program is tested with 1\.18\.20 or a later 1\.18, and that version has no GET \/agent/
  ],
  ["OpenCode 2", server("2.0.1"), /OpenCode 2\.0\.1 is not supported: its API is not that of OpenCode 1\.x/],
  ["a missing interpreter", "#!/nowhere/interpreter\n", /opencode cannot run here: .*\(ENOENT\)/],
  [
    "a program that ends at once",
    "#!/bin/sh\nexit 1\n",
    /OpenCode never started, in 5 attempts\. .* exited with code 1/
  ]
] as const

describe("an OpenCode that can never start ends the command with 78 and the reason", () => {
  it.live.each(cases)(
    "%s",
    ([name, program, sentence]) =>
      Effect.gen(function* () {
        const root = yield* command.home
        const binary = join(root, "opencode")
        mkdirSync(root, { recursive: true })
        writeFileSync(binary, program, { mode: 0o755 })
        const dev = ["dev", "--prompt", "hi"]
        const start = ["start", "--url", "http://127.0.0.1:9"]
        // `pnpm test:full` tests both commands in each case.
        const isBoth = process.env["TEST_FULL"] !== undefined || name === "another version"
        for (const args of isBoth ? [dev, start] : [start]) {
          const { code, stderr } = yield* run({ root }, ...args, "--opencode", binary)
          assert.strictEqual(code, 78, stderr)
          assert.match(stderr, sentence)
          assert.strictEqual(
            stderr.includes("--allow-untested-version"),
            name === "another version" && args[0] === "start",
            stderr
          )
        }
      }).pipe(Effect.scoped),
    240_000
  )
})
