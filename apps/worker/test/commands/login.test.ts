/** Signing in on another machine, which has its own home and no token. */
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import * as command from "../support/command.ts"

const limit = { timeout: 120_000 }

const folderAt = (root: string) => ({
  root,
  deployment: join(root, "deployment"),
  operator: join(root, "operator.json"),
  worker: () => join(root, "worker.json"),
  trust: () => join(root, "trusted.json"),
  demo: root,
  port: join(root, "port.json")
})

describe("opencode-worker login", () => {
  it.live(
    "makes a machine a device with its own key and scope, until it is revoked",
    () =>
      Effect.gen(function* () {
        const first = yield* command.home
        const services = yield* Layer.build(
          Layer.provideMerge(EmbeddedDeployment.serve(folderAt(first)), NodeServices.layer)
        )
        const { operatorToken, url } = yield* Effect.provide(EmbeddedDeployment, services)
        const here = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
          const environment = { OPENCODE_WORKER_TOKEN: yield* operatorToken, OPENCODE_WORKER_URL: url }
          return yield* command.run({ root: first, environment }, ...args)
        })
        const root = yield* command.home
        const there = (...args: ReadonlyArray<string>) => command.run({ root }, ...args)

        const unknown = yield* there("workers", "ls", "--url", url)
        assert.strictEqual(unknown.code, 78)
        assert.match(unknown.stderr, /You are not signed in to http:\/\/127.*opencode-worker login/)
        const wrong = yield* there("login", "no-such-code", "--url", url)
        assert.strictEqual(wrong.code, 2, wrong.stderr)
        assert.match((yield* there("context", "ls")).stdout, /You are not signed in/)

        const added = yield* here("devices", "add", "laptop", "--scope", "read")
        assert.strictEqual(added.code, 0, added.stderr)
        const code = added.stdout.trim()
        const signedIn = yield* there("login", code, "--url", url)
        assert.strictEqual(signedIn.code, 0, signedIn.stderr)
        assert.match(signedIn.stdout, /^Signed in to http.* as laptop \(read\)/)
        const contexts = join(root, "state", "opencode-worker", "contexts")
        const [name = ""] = readdirSync(contexts)
        assert.strictEqual(statSync(join(contexts, name, "device.json")).mode & 0o777, 0o600)

        assert.match((yield* there("whoami")).stdout, /^laptop \(read\), device /)
        assert.match((yield* there("context", "ls")).stdout, /^\* +127\.0\.0\.1-\d+ +http/m)
        assert.match((yield* there("workers", "ls")).stdout, /^No workers yet/)
        const refused = yield* there("devices", "add", "other")
        assert.strictEqual(refused.code, 77, refused.stderr)
        const stolen = yield* command.run({ root: yield* command.home }, "login", code, "--url", url)
        assert.notStrictEqual(stolen.code, 0)

        const elsewhere = { root, environment: { OPENCODE_WORKER_URL: "http://127.0.0.1:9" } }
        assert.match((yield* command.run(elsewhere, "whoami", "--context", name)).stdout, /^laptop \(read\)/)
        const slow = `data:text/javascript,${encodeURIComponent("const now = Date.now; Date.now = () => now() - 3600000")}`
        const late = yield* command.run({ root, environment: { NODE_OPTIONS: `--import ${slow}` } }, "whoami")
        assert.strictEqual(late.code, 75, late.stderr)
        assert.match(late.stderr, /clock of this device is -60 min away/)

        assert.match((yield* here("devices", "ls")).stdout, /laptop +read/)
        const revoked = yield* here("devices", "revoke", "laptop", "--yes")
        assert.strictEqual(revoked.code, 0, revoked.stderr)
        const after = yield* there("whoami")
        assert.strictEqual(after.code, 77, after.stderr)
        assert.match(after.stderr, /no longer a device of http.*sign in again with opencode-worker login/)

        const again = (yield* here("devices", "add", "desk")).stdout.trim()
        const renewed = yield* there("login", again, "--url", url, "--context", "home")
        assert.strictEqual(renewed.code, 0, renewed.stderr)
        assert.match((yield* there("whoami", "--context", "home")).stdout, /^desk \(operate\)/)
        const left = yield* there("logout", "--context", "home")
        assert.strictEqual(left.code, 0, left.stderr)
        assert.isFalse(existsSync(join(contexts, "home")))
        assert.match((yield* here("devices", "ls")).stdout, /desk +revoked/)

        // A login provider with a command line of its own.
        const token = join(root, "token")
        const byCommand = ["login", "--token-command", `cat ${token}`, "--url", url, "--context", "ci"]
        const missing = yield* there(...byCommand)
        assert.strictEqual(missing.code, 77, missing.stderr)
        assert.match(missing.stderr, /The command for tokens ended with 1: cat/)
        writeFileSync(token, "no.such.token")
        assert.match((yield* there(...byCommand)).stderr, /refuses the token that the command of this context prints/)
        assert.isFalse(existsSync(join(contexts, "ci")))
        writeFileSync(token, yield* operatorToken)
        const entered = yield* there(...byCommand)
        assert.strictEqual(entered.code, 0, entered.stderr)
        assert.match(entered.stdout, /^Signed in to http.* by a command for tokens\. Context: ci/)
        assert.strictEqual((yield* there("whoami", "--jq", ".[].scope")).stdout, "operate\n")
        writeFileSync(token, "nonsense")
        const broken = yield* there("whoami")
        assert.strictEqual(broken.code, 77, broken.stderr)
        assert.match(broken.stderr, /The command for tokens printed no JWT/)
        assert.strictEqual((yield* there("logout")).code, 0)
        assert.isFalse(existsSync(join(contexts, "ci")))
      }),
    limit
  )
})
