import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { mkdir, readFile, realpath, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { ConfigProvider, Effect, Layer, Redacted, Result } from "effect"
import { vi } from "vitest"
import { type HostError, OpenCodeHost, type OpenCodeHostOptions, listProcesses } from "../src/index.ts"
import { needed } from "../src/internal/server/features.ts"
import { processIdentity } from "../src/internal/process/processes.ts"
import { eventually } from "./support.ts"

const limit = 30_000

/** A home, and a program in it that stands where the binary should be. */
const setting = Effect.fnUntraced(function* (script: string, mode = 0o755) {
  const home = yield* OpenCodeHome.make({ git: false })
  const binary = join(home.root, "opencode")
  yield* Effect.promise(() => writeFile(binary, script, { mode }))
  return { directory: home.directory, environment: home.environment, stateDirectory: `${home.root}/state`, binary }
})

/** The error of building the layer, or of then using the server. */
const failure = (options: OpenCodeHostOptions): Effect.Effect<HostError, void> =>
  Effect.gen(function* () {
    const host = yield* OpenCodeHost
    yield* Effect.ensuring(
      host.server,
      Effect.map(listProcesses(host.hostId), (pids) => assert.deepStrictEqual(pids, []))
    )
  }).pipe(Effect.provide(OpenCodeHost.layer(options)), Effect.flip)

/** The program, which notes each of its starts in `<binary>.starts`. */
const counted = (program: string) =>
  program.replace("\n", `\nrequire("node:fs").appendFileSync(__filename + ".starts", "x")\n`)
const startsOf = ({ binary }: { readonly binary: string }) =>
  Effect.promise(async () => (await readFile(`${binary}.starts`, "utf8")).length)

/** Answers like an OpenCode of another version. */
const server = (version: string) => `#!${process.execPath}
const port = process.argv[process.argv.indexOf("--port") + 1]
require("node:http").createServer((request, response) => {
  response.setHeader("content-type", "application/json")
  response.end(JSON.stringify({ healthy: true, version: "${version}" }))
}).listen(port, "127.0.0.1", () => console.log("opencode server listening on http://127.0.0.1:" + port))
`

/** Says that it took its secrets. */
const taking = (program: string) =>
  program.replace("console.log(", `console.log("opencode-host: secrets handed over\\n") || console.log(`)

describe("a start", () => {
  it.live("fails at once for a directory that is missing, or is a file", () =>
    Effect.gen(function* () {
      const options = yield* setting("")
      const missing = yield* failure({ ...options, directory: `${options.directory}/none` })
      assert.deepInclude(missing.reason, { _tag: "DirectoryNotFound", problem: "missing" })
      assert.include(missing.message, `${options.directory}/none does not exist`)
      const file = yield* failure({ ...options, directory: options.binary })
      assert.deepInclude(file.reason, { _tag: "DirectoryNotFound", problem: "not-a-directory" })
    })
  )

  it.live("fails at once for a temporary directory that is missing, no folder, or not writable", () =>
    Effect.gen(function* () {
      const options = yield* setting(server("1.18.33"))
      // anthropics/claude-code#27060 and #49789: it is set to a folder that is not created. garrytan/gstack#2881: not writable.
      for (const directory of ["/nowhere", "/dev/null", ...(process.platform === "linux" ? ["/proc"] : [])]) {
        vi.stubEnv("TMPDIR", directory)
        const error = yield* failure(options)
        assert.deepInclude(error.reason, { _tag: "TemporaryDirectoryUnusable", directory })
        assert.include(error.message, "set TMPDIR to a folder that is writable")
      }
    }).pipe(Effect.ensuring(Effect.sync(() => vi.unstubAllEnvs())))
  )

  it.live("fails at once for a binary that is missing, or cannot be executed", () =>
    Effect.gen(function* () {
      const options = yield* setting("", 0o644)
      const locked = yield* failure(options)
      assert.strictEqual(locked.reason._tag, "BinaryNotFound")
      assert.include(locked.message, "is not an executable file")
      const missing = yield* failure({ ...options, binary: "/nowhere/opencode" })
      assert.include(missing.message, "/nowhere/opencode (option binary) does not exist")
    })
  )

  it.live("prefers OPENCODE_BIN to the installed package, and never falls through it", () =>
    Effect.gen(function* () {
      const { binary: _, ...options } = yield* setting("")
      const env = ConfigProvider.layer(
        ConfigProvider.fromUnknown({ OPENCODE_BIN: "/elsewhere/opencode", PATH: "/bin" })
      )
      const error = yield* Effect.provide(failure(options), env)
      assert.include(error.message, "/elsewhere/opencode (OPENCODE_BIN) does not exist")
    })
  )

  it.live("names a binary that can never run, with its errno or signal", () =>
    Effect.gen(function* () {
      for (const [script, sentence] of [
        ["#!/nowhere/interpreter\n", /opencode cannot run here: .* interpreter is missing \(ENOENT\)\.$/],
        ["#!/bin/sh\nkill -ILL $$\n", /cannot run here: this processor lacks instructions .* \(SIGILL\)/]
      ] as const) {
        const { message, reason } = yield* failure(yield* setting(script))
        assert.strictEqual(reason._tag, "BinaryUnusable", message)
        assert.match(message, sentence)
      }
      const killed = yield* failure(yield* setting("#!/bin/sh\nkill -KILL $$\n"))
      assert.include(killed.message, "it was killed by SIGKILL")
    })
  )

  it.live(
    "reports the output of a server that exits at once, without secrets",
    () =>
      Effect.gen(function* () {
        const options = yield* setting(
          '#!/bin/sh\necho "no disk" >&2\necho "$OPENCODE_SERVER_PASSWORD $MY_API_KEY" >&2\nexit 3\n'
        )
        const environment = { ...options.environment, MY_API_KEY: "sk-very-secret" }
        const error = yield* failure({ ...options, environment })
        assert.include(error.message, "it exited with code 3")
        assert.include(error.message, "no disk")
        assert.include(error.message, "<redacted> <redacted>")
      }),
    limit
  )

  it.live(
    "ends a server that prints nothing, or something other than its address",
    () =>
      Effect.gen(function* () {
        const silent = yield* failure({ ...(yield* setting("#!/bin/sh\nsleep 300\n")), startTimeout: "300 millis" })
        assert.include(silent.message, "it was not ready within 300ms. It wrote nothing.")
        assert.deepInclude(silent.reason, { _tag: "StartFailed", timedOut: true })
        const other = yield* setting("#!/bin/sh\necho hello, listening on nothing\nsleep 300\n")
        const garbage = yield* failure({ ...other, startTimeout: "300 millis" })
        assert.include(garbage.message, "hello, listening on nothing")
      }),
    limit
  )

  it.live(
    "refuses another version that lacks an operation, unless it is allowed, and runs one that has all",
    () =>
      Effect.gen(function* () {
        const options = yield* setting(counted(server("1.99.1")))
        const error = yield* failure(options)
        assert.deepInclude(error.reason, {
          _tag: "UnsupportedVersion",
          version: "1.99.1",
          supported: "1.18.20 or a later 1.18"
        })
        assert.include(error.message, "tested with 1.18.20 or a later 1.18, and that version has no GET /agent and")
        // It takes no secrets, but its version already decides.
        assert.strictEqual(yield* startsOf(options), 1)
        const version = yield* Effect.flatMap(OpenCodeHost, (host) => host.server).pipe(
          Effect.map((found) => found.version),
          Effect.provide(OpenCodeHost.layer({ ...options, allowUntestedVersion: true }))
        )
        assert.strictEqual(version, "1.99.1")

        const described = (paths: typeof needed) => {
          const methods = Object.entries(paths).map(([path, names]) => [
            path,
            Object.fromEntries(names.map((name) => [name, {}]))
          ])
          const doc = JSON.stringify({ paths: Object.fromEntries(methods) })
          const program = server("1.99.1").replace(
            "response.end(",
            `if (request.url.startsWith("/doc")) return response.end(${JSON.stringify(doc)})\n  response.end(`
          )
          return setting(program)
        }
        const { "/session": session, ...others } = needed
        const lacking = yield* failure(yield* described({ ...others, "/session": ["get"] }))
        assert.deepInclude(lacking.reason, { _tag: "UnsupportedVersion", missing: ["POST /session"] })
        const whole = yield* described({ ...others, "/session": session ?? [] })
        const probed = yield* Effect.flatMap(OpenCodeHost, (host) => host.server).pipe(
          Effect.provide(OpenCodeHost.layer(whole))
        )
        assert.strictEqual(probed.version, "1.99.1")
      }),
    limit
  )

  it.live(
    "refuses OpenCode 2 by name, whether it has the health route of OpenCode 1 or only its own, and never allows it",
    () =>
      Effect.gen(function* () {
        const own = server("")
          .replace(', version: ""', "")
          .replace(
            "response.setHeader",
            `if (request.url !== "/api/health") {
    response.writeHead(404)
    return response.end("{}")
  }
  response.setHeader`
          )
        for (const [program, version] of [
          [server("2.0.1"), "2.0.1"],
          [own, "2.x"]
        ] as const) {
          const options = yield* setting(program)
          const error = yield* failure({ ...options, allowUntestedVersion: true })
          assert.deepInclude(error.reason, { _tag: "UnsupportedVersion", version })
          assert.include(error.message, `OpenCode ${version} is not supported: its API is not that of OpenCode 1.x`)
        }
      }),
    limit
  )

  it.live(
    "is given as long as it may take once, however often it is tried",
    () =>
      Effect.gen(function* () {
        const silent = taking(server("1.18.33")).replace("response.end(", "void (")
        const options = yield* setting(counted(silent))
        const error = yield* failure({ ...options, startTimeout: "2 seconds" })
        assert.include(error.message, "it was not ready within 2s")
        assert.strictEqual(yield* startsOf(options), 1)

        // It takes no secrets, and 2.5 s to say so: the second try has what the first one has left.
        const slow = yield* setting(
          counted(server("1.18.33").replace("console.log(", "setTimeout(console.log, 2500, "))
        )
        const late = yield* failure({ ...slow, startTimeout: "4 seconds" })
        assert.include(late.message, "it was not ready within 4s")
        assert.strictEqual(yield* startsOf(slow), 2)
      }),
    limit
  )

  it.live(
    "takes another port if another process was faster",
    () =>
      Effect.gen(function* () {
        // The first time, a rival of the server takes the port before it.
        const options = yield* setting(
          server("1.18.33").replace(
            "require",
            `const marker = __filename + ".tried"
if (!require("node:fs").existsSync(marker)) {
  require("node:fs").writeFileSync(marker, port)
  const rival = "require('node:net').createServer().listen(" + port + ", '127.0.0.1', () => console.log('taken'))"
  const child = require("node:child_process").spawn(process.execPath, ["-e", rival], { detached: true, stdio: ["ignore", "pipe", "ignore"] })
  child.stdout.once("data", () => process.exit(1))
} else require`
          )
        )
        yield* Effect.gen(function* () {
          const { url } = yield* (yield* OpenCodeHost).server
          const taken = yield* Effect.promise(() => readFile(`${options.binary}.tried`, "utf8"))
          assert.notStrictEqual(new URL(url).port, taken)
        }).pipe(Effect.provide(OpenCodeHost.layer(options)))
      }),
    limit
  )

  it.live(
    "that failed is not remembered",
    () =>
      Effect.gen(function* () {
        const options = yield* setting(`#!/bin/sh\nexit 7\n`)
        yield* Effect.gen(function* () {
          const host = yield* OpenCodeHost
          assert.strictEqual((yield* Effect.flip(host.server)).reason._tag, "StartFailed")
          yield* Effect.promise(() => writeFile(options.binary, server("1.18.99")))
          assert.strictEqual((yield* host.server).version, "1.18.99")
        }).pipe(Effect.provide(OpenCodeHost.layer(options)))
      }),
    limit
  )

  it.live(
    "hands the password over by the environment where the server takes it in no other way, and says so",
    () =>
      Effect.gen(function* () {
        const options = yield* setting(
          server("1.18.33").replace(
            'response.setHeader("content-type", "application/json")',
            `const { OPENCODE_SERVER_PASSWORD: password, OPENCODE_CONFIG_CONTENT: config } = process.env
  const known = "Basic " + Buffer.from("opencode:" + password).toString("base64")
  if (request.headers.authorization !== known) return response.writeHead(401).end()
  if (JSON.parse(config ?? "{}").username !== "username-1") return response.writeHead(500).end()`
          )
        )
        yield* Effect.gen(function* () {
          const { server: started } = yield* OpenCodeHost
          assert.isFalse((yield* started).passwordHidden)
        }).pipe(Effect.provide(OpenCodeHost.layer({ ...options, config: { username: "username-1" } })))
      }),
    limit
  )

  it.live(
    "refuses a server that forgets its password",
    () =>
      Effect.gen(function* () {
        const options = yield* setting(counted(taking(server("1.18.33"))))
        assert.include((yield* failure(options)).message, "it answers without its password")
        assert.strictEqual(yield* startsOf(options), 1)
      }),
    limit
  )

  it.live("resolves the directory, so that two names of it are one", () =>
    Effect.gen(function* () {
      const options = yield* setting("#!/bin/sh\n")
      const alias = `${options.directory}-alias`
      yield* Effect.promise(() => symlink(options.directory, alias))
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* OpenCodeHost).directory, yield* Effect.promise(() => realpath(alias)))
        const rival = Layer.fresh(OpenCodeHost.layer(options))
        const error = yield* Effect.flip(Effect.provide(OpenCodeHost, rival))
        assert.deepInclude(error.reason, { _tag: "DirectoryInUse", pid: process.pid, isThisProcess: true })
      }).pipe(Effect.provide(OpenCodeHost.layer({ ...options, directory: alias })))
    })
  )

  it.live("takes over the lock of a holder that is dead, or whose pid went to another process, and of no other", () =>
    Effect.gen(function* () {
      const options = yield* setting("#!/bin/sh\n")
      const open = Effect.asVoid(OpenCodeHost).pipe(Effect.provide(Layer.fresh(OpenCodeHost.layer(options))))
      const { createHash } = yield* Effect.promise(() => import("node:crypto"))
      const name = createHash("sha256").update(options.directory).digest("hex").slice(0, 32)
      const folder = join(options.stateDirectory, "hosts")
      yield* Effect.promise(() => mkdir(folder, { recursive: true }))
      const own = (yield* processIdentity(process.pid)) ?? { started: "", command: "" }
      const foreign = yield* Effect.acquireRelease(
        Effect.sync(() => spawn("sleep", ["300"], { stdio: "ignore" })),
        (sleep) => Effect.sync(() => sleep.kill("SIGKILL"))
      )
      const { pid = 0 } = foreign
      const asleep = yield* eventually(
        processIdentity(pid),
        (found) => found !== undefined && found.command !== own.command
      )
      const holder = { hostId: randomUUID(), directory: options.directory, since: 0 }
      const held = (content: string) =>
        Effect.andThen(
          Effect.promise(() => writeFile(join(folder, `${name}.json`), content)),
          Effect.result(open)
        )
      const gone = { started: "long ago", command: own.command }
      for (const [content, free] of [
        [{ ...holder, ...gone, pid: 2 ** 22 + 1 }, true],
        [{ ...holder, ...gone, pid: process.pid }, true],
        // Its pid was reused at once: where the clock is coarse, only the command differs.
        [{ ...holder, ...asleep, command: own.command, pid }, true],
        [{ ...holder, started: "", command: own.command, pid }, true],
        [{ ...holder, ...asleep, pid }, false],
        [{ ...holder, started: "", command: "", pid }, false],
        ["not JSON", true]
      ] as const) {
        const text = JSON.stringify(content)
        const result = yield* held(typeof content === "string" ? content : text)
        assert.strictEqual(Result.isSuccess(result), free, text)
        if (Result.isFailure(result)) {
          assert.deepInclude(result.failure.reason, { _tag: "DirectoryInUse", pid, isThisProcess: false })
          assert.include(result.failure.message, `by process ${pid}`)
        }
      }
      assert.isTrue(foreign.exitCode === null && foreign.signalCode === null)
    })
  )

  it.live("says that an attached server cannot be reached, without starting one", () =>
    Effect.gen(function* () {
      const options = yield* setting("#!/bin/sh\nexit 1\n")
      const attach = { url: "http://127.0.0.1:9", password: Redacted.make("x") }
      const error = yield* failure({ ...options, attach })
      assert.strictEqual(error.reason._tag, "Unavailable")
    })
  )
})
