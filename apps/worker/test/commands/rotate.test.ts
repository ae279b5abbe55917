import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { Client } from "@opencode-worker/client/effect"
import { operatorLayer } from "../../src/local/operatorLayer.ts"
import { type Running } from "@opencode-worker/harness"
import * as command from "../support/command.ts"
import { folderIn } from "../support/world.ts"

/** A deployment that outlives the workers; this test is its operator. */
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
      ScriptedProvider.layer(() => Reply.text("Hello")),
      NodeServices.layer
    )
  )
)

/** Starts `opencode-worker <name>` for the home's directory, with the data folder of that name. */
const begin = Effect.fnUntraced(function* (name: "rotate" | "start", data: string) {
  const { directory, environment, root } = yield* OpenCodeHome
  const { url } = yield* EmbeddedDeployment
  const folder = join(root, data)
  const shown = name === "start" ? ["--print-pairing-code", "--opencode", yield* command.idleOpenCode(root)] : []
  const args = [name, "--url", url, "--directory", directory, "--data", folder, ...shown]
  return yield* command.start({ root, environment }, ...args)
})

const ended = (running: Running) => Effect.promise(() => running.ended)
const rotate = (data: string) => Effect.flatMap(begin("rotate", data), ended)
const stop = (running: Running) =>
  Effect.andThen(
    Effect.sync(() => running.kill("SIGTERM")),
    ended(running)
  )

/** Starts a worker, approves it if necessary, and waits until it is Ready. */
const ready = Effect.fnUntraced(function* (data: string) {
  const operator = yield* Client
  const running = yield* begin("start", data)
  const [, code] = yield* Effect.promise(() => running.prints(/^(?:Pairing code +(\S+)|Ready)/m))
  if (code !== undefined) yield* operator.call(({ workers }) => workers.approve(code))
  yield* Effect.promise(() => running.prints(/^Ready/m))
  return { running, isNew: code !== undefined }
})

interface Kept {
  readonly workerId: string
  readonly secret: string
  readonly previous?: string
}

/** The worker's credentials in a data folder. */
const credentials = Effect.fnUntraced(function* (data: string) {
  const folder = join((yield* OpenCodeHome).root, data)
  const [name] = readdirSync(folder).filter((entry) => /^worker-.*\.json$/.test(entry))
  assert.isDefined(name)
  const file = join(folder, name)
  return {
    file,
    read: (): Kept => JSON.parse(readFileSync(file, "utf8")),
    write: (kept: Kept) => writeFileSync(file, JSON.stringify(kept))
  }
})

const limit = { timeout: 120_000 }

layer(world, { excludeTestServices: true, timeout: 120_000 })("opencode-worker rotate", (it) => {
  it.effect(
    "replaces the secret of a stopped worker, and the old secret is refused",
    () =>
      Effect.gen(function* () {
        const { root } = yield* OpenCodeHome
        const { running } = yield* ready("own")
        const { file, read } = yield* credentials("own")
        const before = read()
        mkdirSync(join(root, "copy"))
        copyFileSync(file, join(root, "copy", basename(file)))

        const early = yield* rotate("own")
        assert.strictEqual(early.code, 78, early.stderr)
        assert.match(early.stderr, /Another process runs this worker.*: stop it first/)
        assert.deepStrictEqual(read(), before)
        yield* stop(running)

        const rotated = yield* rotate("own")
        assert.strictEqual(rotated.code, 0, rotated.stderr)
        assert.match(rotated.stdout, /^Rotated/)
        const after = read()
        assert.deepStrictEqual(Object.keys(after), ["workerId", "secret"])
        assert.strictEqual(after.workerId, before.workerId)
        assert.notStrictEqual(after.secret, before.secret)
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
        for (const secret of [before.secret, after.secret]) {
          assert.notInclude(early.stdout + early.stderr + rotated.stdout + rotated.stderr, secret)
        }

        const copy = yield* Effect.flatMap(begin("start", "copy"), ended)
        assert.strictEqual(copy.code, 77, copy.stderr)
        assert.match(copy.stderr, /no worker with this id and secret.*Remove .*copy.* and start again/)
        const thief = yield* rotate("copy")
        assert.strictEqual(thief.code, 77, thief.stderr)
        assert.match(thief.stderr, /Remove .*copy.* and start again/)

        const next = yield* ready("own")
        assert.isFalse(next.isNew)
        yield* stop(next.running)
      }),
    limit
  )

  it.effect(
    "is completed by the next start or rotation after an interruption, whichever secret is valid",
    () =>
      Effect.gen(function* () {
        yield* stop((yield* ready("cut")).running)
        const { read, write } = yield* credentials("cut")
        const { secret, workerId } = read()
        for (const kept of [
          { workerId, secret, previous: "refused already" },
          { workerId, secret: "not known yet", previous: secret }
        ]) {
          write(kept)
          const next = yield* ready("cut")
          assert.isFalse(next.isNew)
          assert.deepStrictEqual(read(), { workerId, secret })
          yield* stop(next.running)
        }

        write({ workerId, secret: "not known yet", previous: secret })
        const { code, stderr } = yield* rotate("cut")
        assert.strictEqual(code, 0, stderr)
        const rotated = read()
        assert.isUndefined(rotated.previous)
        assert.notInclude([secret, "not known yet"], rotated.secret)
        const last = yield* ready("cut")
        assert.isFalse(last.isNew)
        yield* stop(last.running)
      }),
    limit
  )

  it.effect(
    "fails with the remedy if there is no worker yet",
    () =>
      Effect.gen(function* () {
        const { code, stderr } = yield* rotate("none")
        assert.strictEqual(code, 78)
        assert.match(stderr, /has no worker for http:\S+ yet .*: opencode-worker start makes one/)
        assert.notMatch(stderr, /^\s+at /m)
      }),
    limit
  )
})
