/** `start` with a configuration file, and as a supervisor sees it. No OpenCode runs: a worker is Ready without it. */
import { createServer } from "node:net"
import { once } from "node:events"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import type { Running } from "@opencode-worker/harness"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import { Client } from "@opencode-worker/client/effect"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { operatorLayer } from "../../src/local/operatorLayer.ts"
import * as command from "../support/command.ts"
import { folderIn } from "../support/world.ts"

const world = Layer.unwrap(
  Effect.gen(function* () {
    const home = yield* OpenCodeHome.make({ git: false })
    return operatorLayer.pipe(
      Layer.provideMerge(EmbeddedDeployment.serve(folderIn(home))),
      Layer.merge(Layer.succeed(OpenCodeHome, home))
    )
  })
).pipe(Layer.provideMerge(NodeServices.layer))

const run = command.runner()

const prints = (running: Running, pattern: RegExp, stream: "stdout" | "stderr" = "stdout") =>
  Effect.promise(() => running.prints(pattern, stream))

const approve = Effect.fnUntraced(function* (running: Running, pattern: RegExp) {
  const [, code = ""] = yield* prints(running, pattern)
  yield* Client.use((operator) => operator.call(({ workers }) => workers.approve(code)))
})

/** A home with a configuration file. */
const configured = Effect.gen(function* () {
  const root = yield* command.home
  const { url } = yield* EmbeddedDeployment
  const opencode = yield* command.idleOpenCode(root)
  const file = join(root, "worker.jsonc")
  const write = (content: object) => Effect.promise(() => writeFile(file, `// a comment\n${JSON.stringify(content)}`))
  const base = { url, opencode, permissions: "inherit", printPairingCode: true }
  return { root, file, write, base }
})

/** Stops the worker once it is Ready. */
const drained = (running: Running) =>
  Effect.andThen(
    prints(running, /^Ready/m),
    Effect.sync(() => running.kill("SIGTERM"))
  )

const count = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].length

layer(world, { excludeTestServices: true, timeout: 120_000 })(
  "opencode-worker start with a configuration file",
  (it) => {
    it.effect(
      "isolates directories, starts a broken one once it is mended, and restarts only the one that changed",
      () =>
        Effect.gen(function* () {
          const { base, file, root, write } = yield* configured
          const [good, broken] = [join(root, "good"), join(root, "broken")]
          yield* Effect.promise(() => mkdir(good))
          yield* write({ ...base, directories: [{ directory: "good" }, { directory: "./broken" }] })
          const own = join(root, "own")
          yield* Effect.promise(async () => {
            await mkdir(own)
            await writeFile(join(own, "opencode"), "#!/bin/sh\necho 1.17.9\n", { mode: 0o755 })
          })
          const environment = { PATH: `${own}:${process.env["PATH"] ?? ""}` }
          const running = yield* command.start({ root, environment }, "start", "--config", file)
          yield* prints(running, /own\/opencode is OpenCode 1\.17\.9, older than the one of this worker/, "stderr")

          yield* approve(running, /^\[good\] Pairing code +(\S+)/m)
          yield* prints(running, /^\[good\] Ready/m)
          yield* prints(running, /broken does not exist.* It is tried again/, "stderr")
          const status = yield* run({ root }, "status")
          assert.strictEqual(status.code, 75)
          assert.match(status.stdout, /Ready +\S+good\n[^]*Failed +\S+broken\n[^]*does not exist/)
          const checked = yield* run({ root }, "config", "check", "--config", file)
          assert.strictEqual(checked.code, 78)
          assert.match(checked.stdout, /^ok +\S+good$/m)
          assert.match(checked.stdout, /^problem +\S+broken: .*does not exist/m)

          yield* Effect.promise(() => mkdir(broken))
          yield* approve(running, /^\[broken\] Pairing code +(\S+)/m)
          yield* prints(running, /^\[broken\] Ready/m)
          assert.strictEqual((yield* run({ root }, "config", "check", "--config", file)).code, 0)

          yield* Effect.promise(() => writeFile(file, "{"))
          running.kill("SIGHUP")
          yield* prints(
            running,
            /worker\.jsonc:1:2: .*the workers keep their settings|keep their settings: .*worker\.jsonc:1:2/,
            "stderr"
          )
          yield* write({ ...base, directories: [{ directory: good }, { directory: broken, askTimeout: "2h" }] })
          running.kill("SIGHUP")
          yield* prints(running, /^\[broken\] Ready[^]*^\[broken\] Stopped[^]*^\[broken\] Ready/m)
          assert.strictEqual(count(running.stdout(), /^\[good\] Ready/gm), 1)
          assert.strictEqual((yield* run({ root }, "status")).code, 0)

          running.kill("SIGTERM")
          const { code, stderr } = yield* Effect.promise(() => running.ended)
          assert.strictEqual(code, 0, stderr)
          yield* command.untilEnded(root)
        }).pipe(Effect.scoped)
    )

    it.effect("prints each setting with its origin, and no secret", () =>
      Effect.gen(function* () {
        const { file, root, write } = yield* configured
        yield* write({
          url: "https://me:hunter22@a.example",
          directories: [{ directory: "a", permissions: "inherit" }]
        })
        const environment = { OPENCODE_SERVER_PASSWORD: "hunter2222", OPENCODE_WORKER_OWNER: "issuer|me" }
        const args = ["config", "print", "--config", file, "--idle-timeout", "5m", "--json"]
        const { code, stdout } = yield* run({ root, environment }, ...args)
        assert.strictEqual(code, 0, stdout)
        assert.notInclude(stdout, "hunter2")
        const directory = join(root, "a")
        const rows: ReadonlyArray<object> = JSON.parse(stdout)
        for (const row of [
          { name: "idleTimeout", value: "5m", origin: "--idle-timeout" },
          { name: "owner", value: "issuer|me", origin: "OPENCODE_WORKER_OWNER" },
          { name: "permissions", value: "inherit", origin: `${file}: directories.0` },
          { name: "url", value: "https://(hidden)@a.example", origin: file },
          { name: "askTimeout", value: "24 hours", origin: "default" }
        ]) {
          assert.deepInclude(rows, { directory, ...row })
        }
        assert.deepInclude(rows, {
          directory: null,
          name: "OPENCODE_SERVER_PASSWORD",
          value: "(set, hidden)",
          origin: "OPENCODE_SERVER_PASSWORD"
        })
      }).pipe(Effect.scoped)
    )

    it.effect("ends with codes from which a supervisor knows whether to restart it", () =>
      Effect.gen(function* () {
        const { base, file, root, write } = yield* configured
        const operator = yield* Client
        const busy = createServer()
        yield* Effect.addFinalizer(() => Effect.sync(() => busy.close()))
        busy.listen(0, "127.0.0.1")
        yield* Effect.promise(() => once(busy, "listening"))
        const address = busy.address()
        const healthListen = `127.0.0.1:${typeof address === "object" ? address?.port : ""}`
        const prevented: ReadonlySet<number | null> = new Set([2, 77, 78])
        /** Runs the command as a unit with Restart=on-failure does. Returns the code of each run. */
        const supervised = Effect.fnUntraced(function* (
          onRun: (running: Running, index: number) => Effect.Effect<unknown, unknown, Client>
        ) {
          const codes: Array<number | null> = []
          while (codes.length < 5) {
            const running = yield* command.start({ root }, "start", "--config", file)
            yield* Effect.forkScoped(onRun(running, codes.length))
            const { code } = yield* Effect.promise(() => running.ended)
            codes.push(code)
            if (code === 0 || prevented.has(code)) break
          }
          return codes
        })
        // A port that is in use is temporary; the supervisor starts it again.
        yield* write({ ...base, healthListen })
        const temporary = yield* supervised((running, index) =>
          index === 0
            ? Effect.andThen(
                Effect.promise(() => running.ended),
                Effect.sync(() => busy.close())
              )
            : Effect.andThen(approve(running, /^Pairing code +(\S+)/m), drained(running))
        )
        assert.deepStrictEqual(temporary, [75, 0])

        const paired = yield* supervised(drained)
        assert.deepStrictEqual(paired, [0])

        const revoked = yield* supervised((running) =>
          Effect.gen(function* () {
            yield* prints(running, /^Ready/m)
            const worker = (yield* operator.call(({ workers }) => workers.list())).find(
              ({ directory, online }) => online && directory.startsWith(root)
            )
            assert.isDefined(worker)
            yield* operator.call(({ workers }) => workers.revoke(worker.workerId))
          })
        )
        assert.deepStrictEqual(revoked, [77])

        yield* write({ ...base, url: "not an address" })
        assert.deepStrictEqual(yield* supervised(() => Effect.void), [78])
        yield* write({ ...base, unknown: 1 })
        assert.deepStrictEqual(yield* supervised(() => Effect.void), [78])
      }).pipe(Effect.scoped)
    )
  }
)
