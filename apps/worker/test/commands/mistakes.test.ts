import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import * as command from "../support/command.ts"

const limit = { timeout: 180_000 }
const run = command.runner()

/** Asserts that the command fails with `code` and one sentence on standard error, without a stack trace. */
const refuses = Effect.fnUntraced(function* (
  options: command.Options,
  args: ReadonlyArray<string>,
  code: number,
  sentence: RegExp
) {
  const ended = yield* run(options, ...args)
  assert.strictEqual(ended.code, code, ended.stderr)
  assert.match(ended.stderr, sentence)
  assert.notMatch(ended.stderr, /^\s+at /m)
  assert.deepStrictEqual(yield* Effect.promise(() => command.processesBelow(options.root)), [])
})

const takenPort = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<ReturnType<typeof createServer>>((resolve) => {
        const server = createServer().listen(0, "127.0.0.1", () => resolve(server))
      })
  ),
  (server) => Effect.sync(() => server.close())
)

describe("a mistake ends the command with one sentence that names the correction", () => {
  it.live("a directory that does not exist", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      yield* refuses(
        { root },
        ["dev", "--directory", "nowhere"],
        78,
        /nowhere does not exist: create it, or give another/
      )
    })
  )

  it.live("a file in place of a directory", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      writeFileSync(join(root, "project", "file"), "")
      yield* refuses({ root }, ["dev", "--directory", "file"], 78, /file is not a directory/)
    })
  )

  it.live(
    "a model that is not configured",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const folder = join(root, "config", "opencode")
        mkdirSync(folder, { recursive: true })
        const provider = { own: { npm: "@ai-sdk/openai-compatible", models: { large: {} } } }
        writeFileSync(join(folder, "opencode.json"), JSON.stringify({ provider }))
        const args = ["dev", "--model", "unknown/model", "--prompt", "Hello"]
        yield* refuses(
          { root },
          args,
          78,
          /There is no model "unknown\/model" in your OpenCode configuration\. It has own\/large\./
        )
      }),
    limit
  )

  it.live("--model with --demo", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const args = ["dev", "--demo", "--model", "scripted/echo", "--prompt", "Hello"]
      yield* refuses({ root }, args, 2, /--demo answers with a model of its own: leave out --model/)
    })
  )

  it.live(
    "a temporary folder that does not exist",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const environment = { TMPDIR: join(root, "nowhere") }
        const args = ["dev", "--demo", "--prompt", "Hello"]
        yield* refuses({ root, environment }, args, 78, /cannot be made in .*nowhere.*set TMPDIR to a folder that/)
      }),
    limit
  )

  it.live(
    "a port that is in use",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const address = (yield* takenPort).address()
        const port = typeof address === "object" && address !== null ? String(address.port) : ""
        yield* refuses(
          { root },
          ["dev", "--demo", "--port", port],
          78,
          new RegExp(`Port ${port} .*is in use.*another port`)
        )
      }),
    limit
  )

  it.live("a missing OpenCode binary", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const environment = { OPENCODE_BIN: join(root, "opencode") }
      yield* refuses({ root, environment }, ["dev", "--demo"], 78, /does not exist\. Install OpenCode .*OPENCODE_BIN/)
    })
  )

  it.live("a damaged data file, which stays unchanged", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const deployment = join(root, "data", "deployment")
      mkdirSync(deployment, { recursive: true })
      writeFileSync(join(deployment, "data.sqlite"), "this is not a database, whatever its name says")
      const args = ["dev", "--demo", "--data", join(root, "data")]
      yield* refuses({ root }, args, 78, /data\.sqlite is not a SQLite database\. It is unchanged/)
    })
  )

  it.live(
    "a session that does not exist",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const environment = { OPENCODE_BIN: yield* command.sleepingOpenCode(root) }
        yield* refuses(
          { root, environment },
          ["dev", "--demo", "--session", "jn0", "--prompt", "Hello"],
          2,
          /no session jn0/
        )
      }),
    limit
  )

  const addresses = [
    ["happy-otter-123", /--url is not the address of a deployment: it looks like https:/],
    ["ftp://127.0.0.1", /--url is not the address of a deployment/],
    ["http://192.0.2.1:3210", /192\.0\.2\.1:3210 is not this machine: give its https address/],
    ["https://me:hunter2@deployment.example", /^(?!.*hunter2).*--url holds a user name or a password/s]
  ] as const
  // `pnpm test:full` tests each address.
  for (const [url, sentence] of process.env["TEST_FULL"] === undefined ? addresses.slice(-1) : addresses) {
    it.live(`start at ${url}`, () =>
      Effect.gen(function* () {
        const root = yield* command.home
        yield* refuses({ root }, ["start", "--url", url], 78, sentence)
      })
    )
  }

  it.live("an approval at a remote deployment without a token", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const args = ["approve", "ABCD-EFGH", "--yes", "--url", "http://127.0.0.1:9"]
      yield* refuses(
        { root },
        args,
        78,
        /You are not signed in .*opencode-worker login, or set OPENCODE_WORKER_TOKEN to a JWT/
      )
    })
  )

  it.live("an approval without a terminal or --yes", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      yield* refuses({ root }, ["approve", "ABCD-EFGH", "--data", "data"], 2, /needs a person at a terminal.*or --yes/)
    })
  )

  it.live(
    "an approval at a deployment that does not respond",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const environment = { OPENCODE_WORKER_TOKEN: "x.y.z" }
        const args = ["approve", "ABCD-EFGH", "--yes", "--url", "http://127.0.0.1:9"]
        yield* refuses({ root, environment }, args, 75, /http:\/\/127\.0\.0\.1:9 does not respond: check the address/)
      }),
    limit
  )

  it.live(
    "an approval in a directory without a deployment, of which no data folder is left",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const args = ["approve", "ABCD-EFGH", "--yes", "--data", "data"]
        yield* refuses({ root }, args, 78, /There is no deployment in .*data: start it with opencode-worker dev/)
        assert.isFalse(existsSync(join(root, "project", "data")))
      }),
    limit
  )

  it.live(
    "a prompt file that cannot be read, is not text, or is empty",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        writeFileSync(join(root, "binary"), Buffer.from([0xff, 0xfe, 0x00]))
        writeFileSync(join(root, "blank"), " \n\n")
        yield* refuses(
          { root },
          ["dev", "--demo", "--prompt-file", join(root, "none")],
          2,
          /prompt cannot be read from .*none/
        )
        yield* refuses(
          { root },
          ["dev", "--demo", "--prompt-file", join(root, "binary")],
          2,
          /binary is not text in UTF-8/
        )
        yield* refuses({ root }, ["dev", "--demo", "--prompt-file", join(root, "blank")], 2, /blank holds no prompt/)
      }),
    limit
  )

  for (const [line, error, usage, help] of [
    [
      "send --tiemout 5m Hello",
      "Unrecognized flag: --tiemout in command opencode-worker send",
      "send [flags] [<prompt>]",
      "send"
    ],
    ["approve", "Missing required argument: code", "approve [flags] <code>", "approve"],
    [
      "turns wait --timeout soon k1",
      'Invalid value for flag --timeout: "soon". "soon" is not a time: write 90s, 20m, 2h or 1d.',
      "turns wait [flags] <session> [<turn>]",
      "turns wait"
    ]
  ] as const) {
    it.live(`${line}: the error, the usage and the command for the help`, () =>
      Effect.gen(function* () {
        const ended = yield* run({ root: yield* command.home }, ...line.split(" "))
        assert.strictEqual(ended.code, 2, ended.stderr)
        assert.strictEqual(ended.stdout, "")
        assert.isTrue(ended.stderr.startsWith(`\nERROR\n  ${error}\n`), ended.stderr)
        const end = `\n\nUsage: opencode-worker ${usage}\nSee: opencode-worker ${help} --help\n`
        assert.isTrue(ended.stderr.endsWith(end), ended.stderr)
      })
    )
  }

  it.live("an unknown flag whose name contains terminal sequences", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      // oxlint-disable-next-line no-control-regex -- the test checks that there are none
      const visible = /^[^\u001b\u009b]*--no␛\[2J<U\+009B>flag[^\u001b\u009b]*$/
      yield* refuses({ root }, ["dev", "--no\u001b[2J\u009bflag"], 2, visible)
    })
  )
})
