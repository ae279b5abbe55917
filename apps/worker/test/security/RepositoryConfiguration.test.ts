import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as command from "../support/command.ts"

const limit = 180_000
const run = command.runner()

/** No server listens there: the worker reads the project first, then waits for the deployment. */
const url = "http://127.0.0.1:9"

const makeProject = Effect.map(command.home, (root) => {
  const directory = join(root, "project")
  const evil = "\u001b]52;c;aGk=\u0007"
  mkdirSync(join(directory, ".git"), { recursive: true })
  mkdirSync(join(directory, ".opencode", "plugin"), { recursive: true })
  writeFileSync(join(directory, ".opencode", "plugin", `p${evil}.js`), "")
  const config = (mcp: object) =>
    writeFileSync(join(directory, "opencode.json"), JSON.stringify({ mcp, [`x${evil}`]: 1 }))
  config({ a: {} })
  return { root, directory, config, args: ["start", "--url", url, "--directory", directory] as const }
})

const started = Effect.fnUntraced(function* (root: string, args: ReadonlyArray<string>, pattern: RegExp) {
  const running = yield* command.start({ root }, ...args)
  yield* Effect.promise(() => running.prints(pattern))
  running.kill("SIGTERM")
  const { stdout } = yield* Effect.promise(() => running.ended)
  return stdout
})

describe("opencode-worker start in a repository with a configuration of its own", () => {
  it.live(
    "lists the ignored configuration once, one line per kind, without control characters",
    () =>
      Effect.gen(function* () {
        const { args, root } = yield* makeProject
        const stdout = yield* started(root, args, /^directory/m)
        const lines = stdout.split("\n").filter((line) => line.startsWith("ignored"))
        assert.lengthOf(lines, 3)
        assert.match(lines[0] ?? "", /^ignored +mcp \(opencode\.json\): it can run code/)
        assert.match(stdout, /start with --trust-project/)
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(stdout, /[\u0000-\u0009\u000b-\u001f]/)
      }),
    limit
  )

  it.live(
    "remembers trusted content, refuses it after a change, and revokes trust on request",
    () =>
      Effect.gen(function* () {
        const { args, config, root } = yield* makeProject
        assert.match(
          yield* started(root, [...args, "--trust-project"], /^directory/m),
          /project +its configuration has all effect: 2 files/
        )
        const state = join(root, "state", "opencode-worker")
        const [file] = readdirSync(state, { recursive: true, encoding: "utf8" }).filter((name) =>
          name.includes("trusted-")
        )
        assert.isDefined(file)
        assert.strictEqual(statSync(join(state, file ?? "")).mode & 0o777, 0o600)
        assert.include(readFileSync(join(state, file ?? ""), "utf8"), '"opencode.json"')

        assert.notMatch(yield* started(root, args, /^directory/m), /ignored/)

        config({ a: {}, b: {} })
        const refused = yield* run({ root }, ...args)
        assert.strictEqual(refused.code, 78)
        assert.match(refused.stderr, /configuration has changed since you trusted it: opencode\.json \(changed\)/)
        assert.match(refused.stderr, /--trust-project, or ignore it with --no-trust-project/)

        assert.match(yield* started(root, [...args, "--no-trust-project"], /^directory/m), /ignored +mcp/)
        assert.match(yield* started(root, args, /^directory/m), /ignored +mcp/)
      }),
    limit
  )

  it.live(
    "exits with 78 and the file's name if the configuration is unreadable, and ignores trust files of the repository",
    () =>
      Effect.gen(function* () {
        const { args, directory, root } = yield* makeProject
        writeFileSync(join(directory, "opencode.json"), '{ "model": ')
        const broken = yield* run({ root }, ...args)
        assert.strictEqual(broken.code, 78)
        assert.match(broken.stderr, /opencode\.json: it is not valid JSON/)
        const inside = yield* run({ root }, ...args, "--data", join(directory, "data"), "--trust-project")
        assert.strictEqual(inside.code, 78)
        const inherited = yield* run({ root }, ...args, "--permissions", "inherit", "--trust-project")
        assert.match(inherited.stderr, /leave out --trust-project/)
      }),
    limit
  )
})
