/** Commands whose token, device or secret the deployment refuses, at their start or while they run. None of them may end with 0. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { startDeployment } from "@opencode-worker/harness"
import { Context, Effect, Layer } from "effect"
import * as command from "../support/command.ts"

const run = command.runner()

const start = Effect.acquireRelease(
  Effect.gen(function* () {
    const root = yield* command.home
    return { root, deployment: yield* Effect.promise(() => startDeployment(join(root, "deployment"))) }
  }),
  ({ deployment }) => Effect.promise(() => deployment.kill())
)

class World extends Context.Service<World, Effect.Success<typeof start>>()("World") {}

const world = Layer.merge(Layer.effect(World, start), NodeServices.layer)

/** The environment of the owner of the deployment. */
const owner = Effect.fnUntraced(function* (expires?: number) {
  const { deployment } = yield* World
  const token = yield* Effect.promise(() =>
    expires === undefined ? deployment.token() : deployment.tokenUntil(expires)
  )
  return { OPENCODE_WORKER_URL: deployment.url, OPENCODE_WORKER_TOKEN: token }
})

const asOwner = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { root } = yield* World
  const done = yield* run({ root, environment: yield* owner() }, ...args)
  assert.strictEqual(done.code, 0, `${args.join(" ")}: ${done.stderr}`)
  return done.stdout.trim()
})

/** A machine that is signed in as a device of this name. */
const machine = Effect.fnUntraced(function* (name: string) {
  const { deployment } = yield* World
  const code = yield* asOwner("devices", "add", name)
  const root = yield* command.home
  const done = yield* run({ root }, "login", code, "--url", deployment.url)
  assert.strictEqual(done.code, 0, done.stderr)
  return root
})

/** A worker whose OpenCode answers no prompt, in the data folder of this name. Its prompts wait. */
const worker = Effect.fnUntraced(function* (name: string) {
  const { deployment, root } = yield* World
  const program = yield* command.idleOpenCode(root)
  const directory = join(root, name)
  mkdirSync(directory, { recursive: true })
  const where = ["--url", deployment.url, "--directory", directory, "--data", join(root, `${name}-data`)]
  const running = yield* command.start({ root }, "start", ...where, "--opencode", program, "--print-pairing-code")
  const [, code] = yield* Effect.promise(() => running.prints(/^(?:Pairing code +(\S+)|Ready|Stopped)/m))
  if (code !== undefined) yield* asOwner("approve", code, "--yes")
  return running
})

const ended = (running: { readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }> }) =>
  Effect.promise(() => running.ended)

/** The file with the identity of a worker. */
const identity = Effect.fnUntraced(function* (name: string) {
  const folder = join((yield* World).root, `${name}-data`)
  return join(folder, readdirSync(folder).find((file) => /^worker-.*\.json$/.test(file)) ?? "")
})

const atOnce: ReadonlyArray<ReadonlyArray<string>> = [
  ["send", "Hello"],
  ["sessions", "ls"],
  ["inbox", "ls"],
  ["turns", "wait", "abc"],
  ["allow", "abc"],
  ["whoami"]
]
const atTerminal: ReadonlyArray<ReadonlyArray<string>> = [["chat"], ["watch"]]

/** Asserts that the command ends with 77 and one sentence. */
const isRefused = Effect.fnUntraced(function* (
  options: command.Options,
  sentence: RegExp,
  args: ReadonlyArray<string>
) {
  const done = yield* run(options, ...args)
  assert.strictEqual(done.code, 77, `${args.join(" ")}: ${done.stdout}${done.stderr}`)
  assert.match(done.stderr, sentence)
})

/** `pnpm test:full` runs each command as a device, too. */
const representatives = process.env["TEST_FULL"] === undefined ? 1 : undefined

const areRefused = Effect.fnUntraced(function* (options: command.Options, sentence: RegExp, most?: number) {
  for (const args of atOnce.slice(0, most)) yield* isRefused(options, sentence, args)
  for (const args of atTerminal.slice(0, most)) {
    const shown = yield* command.atTerminal(options, ...args)
    const [, code] = yield* Effect.promise(() => shown.prints(/exit code (\d+)/))
    assert.strictEqual(code, "77", `${args.join(" ")}: ${shown.stdout()}`)
    assert.match(shown.stdout(), sentence)
  }
})

layer(world, { excludeTestServices: true, timeout: 300_000 })("a deployment that refuses", (it) => {
  it.effect("a token ends each command with 77: an expired one, a text that is none, and a wrong signature", () =>
    Effect.gen(function* () {
      const { root } = yield* World
      const valid = yield* owner()
      const [head = "", claims = ""] = valid.OPENCODE_WORKER_TOKEN.split(".")
      const expired = yield* owner(Math.floor(Date.now() / 1000) - 60)
      const using = (token: string) => ({ root, environment: { ...valid, OPENCODE_WORKER_TOKEN: token } })
      const sentence = /refuses OPENCODE_WORKER_TOKEN/
      yield* areRefused(using(expired.OPENCODE_WORKER_TOKEN), sentence)
      for (const token of ["nonsense", `${head}.${claims}.${"A".repeat(86)}`]) {
        yield* isRefused(using(token), sentence, ["send", "Hello"])
      }
    })
  )

  it.effect("a device ends each command with 77: a revoked one, and one with another key", () =>
    Effect.gen(function* () {
      const revoked = yield* machine("revoked")
      const [context = ""] = readdirSync(join(revoked, "state/opencode-worker/contexts"))
      const keyOf = (root: string) => join(root, "state/opencode-worker/contexts", context, "device.json")
      const other = yield* machine("other")
      const { deviceId }: { readonly deviceId: string } = JSON.parse(readFileSync(keyOf(other), "utf8"))
      const swapped = { ...JSON.parse(readFileSync(keyOf(revoked), "utf8")), deviceId }
      yield* asOwner("devices", "revoke", "revoked", "--yes")
      yield* areRefused({ root: revoked }, /no longer a device of http.*sign in again/, representatives)
      writeFileSync(keyOf(other), JSON.stringify(swapped))
      yield* isRefused({ root: other }, /no longer a device of http.*sign in again/, ["send", "Hello"])
    })
  )

  it.effect("a device while commands run ends each of them with 77", () =>
    Effect.gen(function* () {
      yield* worker("busy")
      const root = yield* machine("leaving")
      const turnId = yield* asOwner("send", "Wait", "--detach", "--worker", "busy")
      const sessionId = yield* asOwner("sessions", "ls", "--jq", ".[0].sessionId")
      const running = yield* Effect.forEach(
        [
          ["send", "Hello", "--worker", "busy"],
          ["send", "Hello", "--worker", "busy", "--on-request", "deny", "--format", "jsonl"],
          ["turns", "wait", sessionId, turnId]
        ],
        (args) => Effect.map(command.start({ root }, ...args), (process) => ({ args, process }))
      )
      const shown = yield* Effect.forEach([["watch"], ["chat", sessionId], ["chat", "--worker", "busy"]], (args) =>
        Effect.map(command.atTerminal({ root }, ...args), (process) => ({ args, process }))
      )
      // Each of them follows something by then.
      for (const { process } of shown) yield* Effect.promise(() => process.prints(/busy/))
      const sessions = asOwner("sessions", "ls", "--jq", "length")
      yield* Effect.repeat(sessions, { until: (count) => Number(count) >= 3 })
      yield* asOwner("devices", "revoke", "leaving", "--yes")
      for (const { args, process } of running) {
        const { code, stderr } = yield* ended(process)
        assert.strictEqual(code, 77, `${args.join(" ")}: ${stderr}`)
      }
      for (const { args, process } of shown) {
        const [, code] = yield* Effect.promise(() => process.prints(/exit code (\d+)/))
        assert.strictEqual(code, "77", `${args.join(" ")}: ${process.stdout()}`)
      }
    })
  )

  it.effect("a worker ends it with 77: a wrong secret, and an approval that is revoked while it runs", () =>
    Effect.gen(function* () {
      const running = yield* worker("own")
      yield* Effect.promise(() => running.prints(/^Ready/m))
      const file = yield* identity("own")
      const { secret, ...rest }: { readonly secret: string } = JSON.parse(readFileSync(file, "utf8"))
      running.kill("SIGKILL")
      yield* ended(running)
      writeFileSync(file, JSON.stringify({ ...rest, secret: `${secret.slice(1)}x` }))
      const wrong = yield* ended(yield* worker("own"))
      assert.strictEqual(wrong.code, 77, wrong.stderr)
      assert.match(wrong.stderr, /no worker with this id and secret/)
      writeFileSync(file, JSON.stringify({ ...rest, secret }))

      const again = yield* worker("own")
      yield* Effect.promise(() => again.prints(/^Ready/m))
      yield* asOwner("workers", "revoke", "own", "--yes")
      const revoked = yield* ended(again)
      assert.strictEqual(revoked.code, 77, revoked.stderr)
      const later = yield* ended(yield* worker("own"))
      assert.strictEqual(later.code, 77, later.stderr)
    })
  )
})
