/** Signing in on another machine, which has its own home and no token. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { functionsDir } from "@opencode-worker/convex-backend"
import { deviceProvider } from "@opencode-worker/convex-backend/functions/deviceProvider"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { until } from "@opencode-worker/harness"
import { Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { poll, type Polled } from "../../src/operator/login/poll.ts"
import * as command from "../support/command.ts"
import { answerLogin, type LoginProvider, serveProvider } from "../support/loginProvider.ts"

const limit = { timeout: 240_000 }
const run = command.runner()

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
          return yield* run({ root: first, environment }, ...args)
        })
        const root = yield* command.home
        const there = (...args: ReadonlyArray<string>) => run({ root }, ...args)

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
        const stolen = yield* run({ root: yield* command.home }, "login", code, "--url", url)
        assert.notStrictEqual(stolen.code, 0)

        const elsewhere = { root, environment: { OPENCODE_WORKER_URL: "http://127.0.0.1:9" } }
        assert.match((yield* run(elsewhere, "whoami", "--context", name)).stdout, /^laptop \(read\)/)
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

  it.live(
    "makes a machine a device of an identity of a login provider, and keeps no token of it",
    () =>
      Effect.gen(function* () {
        const { deployment, provider } = yield* withProvider
        const root = yield* command.home
        const started = yield* command.start({ root }, "login", "--url", deployment.url)
        yield* answered(provider, started, "accept")
        const signedIn = yield* Effect.promise(() => started.ended)
        assert.strictEqual(signedIn.code, 0, signedIn.stderr)
        assert.match(signedIn.stdout, new RegExp(`^Signed in to ${deployment.url} as ${hostname()} \\(operate\\)`, "m"))
        const before = provider.requests.length
        const who = yield* command.run({ root }, "whoami")
        assert.match(who.stdout, new RegExp(`^${hostname()} \\(operate\\), device `), who.stderr)
        assert.strictEqual(provider.requests.length, before)

        const state = join(root, "state", "opencode-worker")
        const files = readdirSync(state, { recursive: true, withFileTypes: true }).filter((each) => each.isFile())
        const key = files.find(({ name }) => name === "device.json")
        assert.strictEqual(statSync(join(key?.parentPath ?? "", "device.json")).mode & 0o777, 0o600)
        const stored = files.map(({ name, parentPath }) => readFileSync(join(parentPath, name), "utf8"))
        for (const text of [...stored, ...provider.requests, signedIn.stdout, signedIn.stderr]) {
          assert.notMatch(text, /eyJ[\w-]+\.eyJ|device_code=|_token=/, text)
        }
      }),
    limit
  )

  it.live(
    "ends with one sentence if a login provider or the deployment refuses",
    () =>
      Effect.gen(function* () {
        const { deployment, issuer, provider, withoutDevices } = yield* withProvider
        const at = (clientId: string, ...more: ReadonlyArray<string>) =>
          ["--url", deployment.url, "--issuer", issuer, "--client-id", clientId, ...more] as const
        const attempt = Effect.fnUntraced(function* (
          args: ReadonlyArray<string>,
          expected: { readonly code: number; readonly text: RegExp },
          answer?: "accept" | "refuse"
        ) {
          const root = yield* command.home
          const ended = Effect.gen(function* () {
            if (answer === undefined) return yield* run({ root }, "login", ...args)
            const started = yield* command.start({ root }, "login", ...args)
            yield* answered(provider, started, answer)
            return yield* Effect.promise(() => started.ended)
          })
          const { code, stderr, stdout } = yield* ended
          assert.match(stderr, expected.text, stdout)
          assert.strictEqual(code, expected.code, stderr)
          assert.notMatch(stderr, /\n +at |eyJ/)
          assert.isFalse(existsSync(join(root, "state", "opencode-worker", "contexts")))
        })
        yield* Effect.all(
          [
            attempt(at("cli"), { code: 77, text: /The login was refused at http/ }, "refuse"),
            attempt(
              at("other"),
              { code: 77, text: /refuses the ID token of .* and other as the applicationID/ },
              "accept"
            ),
            attempt(at("forged"), { code: 77, text: /is not valid: JWT signature verification failed/ }, "accept"),
            attempt(at("brief"), { code: 75, text: /The code has expired before/ }),
            attempt(at("web"), { code: 78, text: /refuses the client web \(/ }),
            attempt(at("narrow", "--scope", "openid calendar"), {
              code: 78,
              text: /refuses the scope "openid calendar" \(invalid_scope: .*\): change --scope, or allow it for the client narrow/
            }),
            attempt(at("plain"), { code: 77, text: /issued no ID token: add openid/ }, "accept"),
            attempt(["--url", deployment.url, "--issuer", withoutDevices.issuer, "--client-id", "cli"], {
              code: 78,
              text: /has no device authorization endpoint/
            }),
            attempt(["--url", deployment.url, "--issuer", deployment.url, "--client-id", "cli"], {
              code: 78,
              text: /is not the issuer of an OpenID Connect provider/
            }),
            attempt(["--url", deployment.url, "--issuer", "http://127.0.0.1:9", "--client-id", "cli"], {
              code: 75,
              text: /http:\/\/127\.0\.0\.1:9\/ does not respond/
            }),
            attempt(["--url", deployment.url, "--issuer", "http://login.example.com", "--client-id", "cli"], {
              code: 78,
              text: /The issuer of a login provider is an https address/
            }),
            attempt(["--url", deployment.url, "--issuer", issuer], { code: 2, text: /--issuer needs --client-id/ }),
            attempt(at("cli", "--token-command", "true"), { code: 2, text: /Give one of them/ }),
            // A server that is no deployment with a web console.
            attempt(["--url", withoutDevices.issuer], { code: 2, text: /names no login provider: give a code/ })
          ],
          { concurrency: 3, discard: true }
        )
      }),
    limit
  )
})

/** A login provider, and a deployment that trusts and names it. */
const withProvider = Effect.acquireRelease(
  Effect.promise(async () => {
    // The provider warns that its keys and pages are those of a test.
    const warnings = (["info", "warn"] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(() => undefined)
    )
    const [provider, withoutDevices] = await Promise.all([
      serveProvider({ hasDevices: true }),
      serveProvider({ hasDevices: false })
    ])
    return { issuer: provider.issuer, provider, warnings, withoutDevices }
  }),
  ({ provider, warnings, withoutDevices }) =>
    Effect.promise(async () => {
      for (const spy of warnings) spy.mockRestore()
      await Promise.all([provider[Symbol.asyncDispose](), withoutDevices[Symbol.asyncDispose]()])
    })
).pipe(
  Effect.flatMap(
    Effect.fnUntraced(function* (served) {
      const { issuer } = served
      const folder = yield* command.home
      const deployment = yield* Effect.acquireRelease(
        Effect.promise(() =>
          ConvexEmbedded.make({
            functions: functionsDir,
            dataDir: join(folder, "data"),
            assets: { files: { "/config.json": JSON.stringify({ login: { issuer, clientId: "cli" } }) } },
            auth: { providers: [deviceProvider, { domain: issuer, applicationID: "cli" }], discovery: true }
          })
        ),
        (running) => Effect.promise(() => running.close())
      )
      return { ...served, deployment }
    })
  )
)

const shownCode = /^address +(\S+)\ncode +(\S+) \(valid for 10 min\)$/m

/** Waits for the address and the code that a command prints, and answers the login there. */
const answered = (
  provider: LoginProvider,
  { stderr, stdout }: { readonly stderr: () => string; readonly stdout: () => string },
  answer: "accept" | "refuse"
) =>
  Effect.promise(async () => {
    await until(() => shownCode.test(stdout()), "a code", stderr)
    const [, address = "", code = ""] = shownCode.exec(stdout()) ?? []
    await answerLogin(provider, { address, code }, answer)
  })

describe("poll", () => {
  const expired = "expired"
  /** Requests at these seconds after the start, if the provider responds with `responses` and then with an answer. */
  const timesOf = Effect.fnUntraced(function* (
    responses: ReadonlyArray<Polled<string>["_tag"]>,
    options: { readonly interval: number | undefined; readonly expiresIn: number }
  ) {
    const times: Array<number> = []
    const request = Effect.map(
      Effect.clockWith((clock) => clock.currentTimeMillis),
      (now): Polled<string> => {
        const tag = responses[times.length] ?? "Answered"
        times.push(now / 1000)
        return tag === "Answered" ? { _tag: tag, answer: "token" } : { _tag: tag }
      }
    )
    const fiber = yield* Effect.forkChild(poll(request, { ...options, expired }))
    yield* TestClock.adjust("2 hours")
    return { times, exit: yield* Fiber.await(fiber) }
  })

  it.effect.each([
    ["at the interval of the provider", ["Pending", "Pending"], { interval: 2, expiresIn: 600 }, [2, 4, 6]],
    ["every 5 seconds without an interval", ["Pending"], { interval: undefined, expiresIn: 600 }, [5, 10]],
    [
      "5 seconds later after each slow_down",
      ["SlowDown", "SlowDown", "Pending"],
      { interval: 1, expiresIn: 600 },
      [1, 7, 18, 29]
    ],
    [
      "less often without a connection",
      ["Unreachable", "Unreachable", "Pending"],
      { interval: 5, expiresIn: 600 },
      [5, 15, 35, 55]
    ],
    [
      "at most once a minute without a connection",
      ["Unreachable", "Unreachable"],
      { interval: 40, expiresIn: 600 },
      [40, 100, 160]
    ],
    ["at most once a second", ["Pending"], { interval: 0.001, expiresIn: 600 }, [1, 2]]
  ] as const)("asks %s", ([, responses, options, expected]) =>
    Effect.gen(function* () {
      const { exit, times } = yield* timesOf(responses, options)
      assert.deepStrictEqual(exit, Exit.succeed("token"))
      assert.deepStrictEqual(times, [...expected])
    })
  )

  it.effect("fails when the code has expired, after an hour at the latest", () =>
    Effect.gen(function* () {
      const pending = Array.from({ length: 100 }, () => "Pending" as const)
      const brief = yield* timesOf(pending, { interval: 4, expiresIn: 10 })
      assert.deepStrictEqual(brief, { times: [4, 8], exit: Exit.fail(expired) })
      const long = yield* timesOf(pending, { interval: 1000, expiresIn: 1e9 })
      assert.deepStrictEqual(long.exit, Exit.fail(expired))
      assert.lengthOf(long.times, 3)
    })
  )
})
