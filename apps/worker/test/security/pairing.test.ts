/** Only the intended operator approves a worker, and sees its details first. No log contains its code. */
import { statSync, symlinkSync, writeFileSync, readFileSync, existsSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { Client } from "@opencode-worker/client/effect"
import { operatorLayer } from "../../src/local/operatorLayer.ts"
import { type Running } from "@opencode-worker/harness"
import * as command from "../support/command.ts"
import { folderIn } from "../support/world.ts"

const world = Layer.unwrap(
  Effect.gen(function* () {
    const { config } = yield* ScriptedProvider
    const home = yield* OpenCodeHome.make({ config: { ...config, snapshot: false } })
    return operatorLayer.pipe(
      Layer.provideMerge(EmbeddedDeployment.serve(folderIn(home))),
      Layer.merge(Layer.succeed(OpenCodeHome, home))
    )
  })
).pipe(
  Layer.provideMerge(
    Layer.merge(
      ScriptedProvider.layer(() => Reply.text("hello")),
      NodeServices.layer
    )
  )
)

const limit = { timeout: 180_000 }
const operatorIdentity = "https://operator.opencode-worker.local|local-operator"

const start = Effect.fnUntraced(function* (data: string, ...args: ReadonlyArray<string>) {
  const { directory, environment, root } = yield* OpenCodeHome
  const { url } = yield* EmbeddedDeployment
  const folder = join(root, data)
  const opencode = yield* command.idleOpenCode(root)
  const all = ["start", "--url", url, "--directory", directory, "--data", folder, "--opencode", opencode, ...args]
  return yield* command.start({ root, environment }, ...all)
})

const says = (running: Running, pattern: RegExp) => Effect.promise(() => running.prints(pattern))

/** A token with the claims of the operator, signed with a foreign key. */
const forged = Effect.promise(async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true })
  await exportJWK(publicKey)
  return new SignJWT({})
    .setProtectedHeader({ alg: "ES256", kid: "operator", typ: "JWT" })
    .setSubject("local-operator")
    .setIssuer("https://operator.opencode-worker.local")
    .setAudience("opencode-worker")
    .setIssuedAt()
    .setExpirationTime("1 hour")
    .sign(privateKey)
})

layer(world, { excludeTestServices: true, timeout: 120_000 })("pairing", (it) => {
  it.effect(
    "writes the code to a private file and to no log if there is no terminal",
    () =>
      Effect.gen(function* () {
        const { root } = yield* OpenCodeHome
        const file = join(root, "code")
        // A link that another user could have placed there.
        writeFileSync(join(root, "victim"), "untouched")
        symlinkSync(join(root, "victim"), file)
        const running = yield* start("hidden", "--pairing-code-file", file)
        yield* says(running, /^Pairing file +\S+code$/m)
        const code = readFileSync(file, "utf8").trim()
        assert.match(code, /^\w{4}-\w{4}$/)
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
        assert.strictEqual(readFileSync(join(root, "victim"), "utf8"), "untouched")
        yield* Client.use((operator) => operator.call(({ workers }) => workers.approve(code)))
        yield* says(running, /^Owner +https:\/\/operator\.opencode-worker\.local\|local-operator$/m)
        yield* says(running, /^Ready/m)
        assert.isFalse(existsSync(file))
        assert.notInclude(running.stdout() + running.stderr(), code)
        running.kill("SIGTERM")
        yield* Effect.promise(() => running.ended)
      }),
    limit
  )

  it.effect(
    "accepts only the operator that the worker was started for",
    () =>
      Effect.gen(function* () {
        const wrong = yield* start("other", "--print-pairing-code", "--owner", "https://issuer.example|someone")
        const [, code = ""] = yield* says(wrong, /^Pairing code +(\S+)/m)
        yield* Client.use((operator) => operator.call(({ workers }) => workers.approve(code)))
        const refused = yield* Effect.promise(() => wrong.ended)
        assert.strictEqual(refused.code, 77, refused.stderr)
        assert.match(
          refused.stderr,
          /belongs to https:\/\/operator\S+, and only https:\/\/issuer\.example\|someone may own it/
        )

        const right = yield* start("mine", "--print-pairing-code", "--owner", operatorIdentity)
        const [, mine = ""] = yield* says(right, /^Pairing code +(\S+)/m)
        yield* Client.use((operator) => operator.call(({ workers }) => workers.approve(mine)))
        yield* says(right, /^Ready/m)
        right.kill("SIGTERM")
        yield* Effect.promise(() => right.ended)

        const later = yield* Effect.flatMap(start("mine", "--owner", "https://issuer.example|someone"), ({ ended }) =>
          Effect.promise(() => ended)
        )
        assert.strictEqual(later.code, 77, later.stderr)
      }),
    limit
  )

  it.effect(
    "shows the worker before the approval, and reports a token that the deployment refuses",
    () =>
      Effect.gen(function* () {
        const { directory, environment, root } = yield* OpenCodeHome
        const { operatorToken, url } = yield* EmbeddedDeployment
        const running = yield* start("asked", "--print-pairing-code")
        const [, code = ""] = yield* says(running, /^Pairing code +(\S+)/m)
        const [hint = ""] = yield* says(running, /opencode-worker approve .*$/m)
        assert.include(hint, `opencode-worker approve ${code} --url ${url}`)

        const bad = { root, environment: { ...environment, OPENCODE_WORKER_TOKEN: yield* forged } }
        const refused = yield* command.run(bad, "approve", code, "--yes", "--url", url)
        assert.strictEqual(refused.code, 77, refused.stderr)
        assert.match(refused.stderr, /The deployment refuses OPENCODE_WORKER_TOKEN/)

        const good = { root, environment: { ...environment, OPENCODE_WORKER_TOKEN: yield* operatorToken } }
        const unsure = yield* command.atTerminal(good, "approve", code, "--url", url)
        const [card] = yield* Effect.promise(() => unsure.prints(/machine .*your answer: $/s))
        assert.include(card, directory)
        assert.match(card, /permissions +careful \(asks before every tool call/)
        assert.match(card, /code +began \d+ (?:s|min) ago/)
        unsure.type("n\n")
        assert.match((yield* Effect.promise(() => unsure.ended)).stdout, /exit code 4/)
        assert.notMatch(running.stdout(), /^Ready/m)

        const sure = yield* command.atTerminal(good, "approve", code, "--url", url)
        yield* Effect.promise(() => sure.prints(/your answer: $/))
        sure.type("y\n")
        assert.match(
          (yield* Effect.promise(() => sure.ended)).stdout,
          /Approved: .* \(careful permissions\)\. It is yours until you revoke it/
        )
        yield* says(running, /^Ready/m)
        running.kill("SIGTERM")
        yield* Effect.promise(() => running.ended)
      }),
    limit
  )
})
