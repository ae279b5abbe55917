import { request } from "node:http"
import { stat } from "node:fs/promises"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Redacted } from "effect"
import { UserDirectories } from "effect/persistence"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { parseAddress } from "../../src/health/address.ts"
import { respond } from "../../src/health/endpoints.ts"
import { findAttachments, findProcesses } from "../../src/health/findProcesses.ts"
import { serveHealth } from "../../src/health/HealthServer.ts"
import { initialFacts, RunningWorkers } from "../../src/health/RunningWorkers.ts"

const get = (path: string, host = "localhost", method = "GET") => respond({ method, path, host })

const workerIn = Effect.fnUntraced(function* (directory: string, state: string) {
  const facts = initialFacts(directory, "http://127.0.0.1:1")
  facts.state = state
  yield* RunningWorkers.use(({ add }) => add(facts))
  yield* Metric.update(Metric.withAttributes(Metric.gauge("convex_connected"), { directory }), 1)
  return facts
})

const registry = Effect.provideService(Metric.MetricRegistry, new Map())

describe("an address for the health endpoints", () => {
  it("is a loopback address with a port, or a socket", () => {
    assert.deepStrictEqual(parseAddress("127.0.0.1:9464"), { host: "127.0.0.1", port: 9464 })
    assert.deepStrictEqual(parseAddress("[::1]:0"), { host: "::1", port: 0 })
    assert.deepStrictEqual(parseAddress("unix:/run/worker.sock"), { path: "/run/worker.sock" })
  })
  it("is never another interface", () => {
    for (const given of ["0.0.0.0:9464", ":9464", "9464", "192.168.0.1:80", "127.0.0.1:65536", "unix:relative", ""]) {
      assert.isUndefined(parseAddress(given), given)
    }
  })
})

describe("the endpoints", () => {
  it.effect("are ready when each worker is, and name the worker that is not", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* get("/readyz")).status, 503)
      yield* workerIn("/one", "Ready")
      const other = yield* workerIn("/other", "Paused")
      assert.strictEqual((yield* get("/readyz")).status, 200)
      other.state = "Recovering"
      assert.deepInclude(yield* get("/readyz"), { status: 503, body: "ok Ready /one\nnot ready Recovering /other\n" })
      assert.strictEqual((yield* get("/healthz")).status, 200)
      assert.match((yield* get("/metrics")).body, /^opencode_worker_ready\{directory="\/other"\} 0$/m)
    }).pipe(Effect.scoped, Effect.provide(RunningWorkers.layer), registry)
  )

  it.effect("answer only requests for this machine, and only reads", () =>
    Effect.gen(function* () {
      for (const host of ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil:80"]) {
        assert.strictEqual((yield* get("/status", host)).status, 421, host)
      }
      for (const host of ["localhost:9464", "127.0.0.1", "[::1]:1"]) {
        assert.strictEqual((yield* get("/status", host)).status, 200, host)
      }
      assert.strictEqual((yield* get("/status", "localhost", "POST")).status, 405)
      assert.strictEqual((yield* get("/other")).status, 404)
    }).pipe(Effect.provide(RunningWorkers.layer), registry)
  )
})

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "health-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

const fetched = (socketPath: string, path: string) =>
  Effect.callback<string>((resume) => {
    const asked = request({ socketPath, path, headers: { host: "localhost" } }, (response) => {
      let body = ""
      response.on("data", (chunk: Buffer) => (body += chunk.toString()))
      response.on("end", () => resume(Effect.succeed(`${response.statusCode} ${body}`)))
    })
    asked.end()
  })

describe("a process", () => {
  it.live("is found by its socket, which only its user can open, until it ends", () =>
    Effect.gen(function* () {
      const state = yield* temporary
      const directories = Layer.succeed(UserDirectories.UserDirectories, {
        ...UserDirectories.make(),
        state: () => Effect.succeed(state)
      })
      const extra = join(state, "extra.sock")
      yield* Effect.gen(function* () {
        yield* workerIn("/one", "Ready")
        assert.strictEqual(yield* serveHealth(`unix:${extra}`), `unix:${extra}`)
        const own = join(state, "run", `${process.pid}.sock`)
        assert.strictEqual((yield* Effect.promise(() => stat(own))).mode & 0o777, 0o600)
        assert.strictEqual((yield* Effect.promise(() => stat(join(state, "run")))).mode & 0o777, 0o700)
        assert.strictEqual(yield* fetched(extra, "/readyz"), "200 ok Ready /one\n")
        // The password of OpenCode: of attachable workers only, and only at the own socket.
        const secret = yield* workerIn("/two", "Ready")
        secret.server = Effect.succeed({
          url: "http://127.0.0.1:2",
          username: "opencode",
          password: Redacted.make("secret"),
          passwordHidden: true,
          version: "1.18.33",
          pid: 1,
          binary: undefined,
          bootMillis: 0,
          startedAt: 0
        })
        const attachment = {
          directory: "/two",
          url: "http://127.0.0.1:2",
          username: "opencode",
          password: "secret",
          program: null
        }
        assert.deepStrictEqual(yield* findAttachments, [attachment])
        assert.match(yield* fetched(extra, "/opencode"), /^404 /)
        assert.notInclude(yield* fetched(own, "/status"), "secret")
        const [found] = yield* findProcesses
        assert.deepNestedInclude(found, { pid: process.pid, "report.workers[0].state": "Ready" })
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(RunningWorkers.layer, directories)))
      assert.deepStrictEqual(yield* Effect.provide(findProcesses, directories), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer), registry)
  )
})
