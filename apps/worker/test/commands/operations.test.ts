/** A worker as a service: its log, its health and its metrics, with the real OpenCode. */
import { once } from "node:events"
import { createServer } from "node:http"
import { join } from "node:path"
import { readdir, readFile } from "node:fs/promises"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { processesOf, signal, until } from "@opencode-worker/harness"
import { FaultProxy, OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer, Schedule } from "effect"
import { Client } from "@opencode-worker/client/effect"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { operatorLayer } from "../../src/local/operatorLayer.ts"
import * as command from "../support/command.ts"
import { ask, asked, folderIn, send, streaming } from "../support/world.ts"

const shell: Script = ({ lastUserText, toolResults }) => {
  if (lastUserText === "Go on") return Reply.sequence([Reply.text("so far"), Reply.hang])
  const [result] = toolResults
  if (lastUserText.startsWith("rm") && result === undefined) {
    return Reply.toolCall("bash", { command: lastUserText, description: "the prompt" })
  }
  return Reply.text(`answer ${result?.output ?? ""}`)
}

const world = Layer.unwrap(
  Effect.gen(function* () {
    const { config } = yield* ScriptedProvider
    const home = yield* OpenCodeHome.make({
      config: { ...config, snapshot: false, permission: { bash: { "rm *": "ask" } } }
    })
    return operatorLayer.pipe(
      Layer.provideMerge(EmbeddedDeployment.serve(folderIn(home))),
      Layer.merge(Layer.succeed(OpenCodeHome, home))
    )
  })
).pipe(Layer.provideMerge(Layer.merge(ScriptedProvider.layer(shell), NodeServices.layer)))

const secretKey = "a-key-that-no-log-may-contain"

const read = (url: string, path: string) =>
  Effect.promise(() =>
    fetch(url + path).then(async (response) => ({ status: response.status, body: await response.text() }))
  )

/** The sum of a metric over the series that have these labels. */
const metric = (text: string, name: string, ...labels: ReadonlyArray<string>) =>
  text
    .split("\n")
    .filter((line) => line.startsWith(`opencode_worker_${name}{`) && labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0)

/** A collector of OpenTelemetry on this machine: the spans that it received. */
const collector = Effect.acquireRelease(
  Effect.promise(async () => {
    const spans: Array<Span> = []
    const paths = new Set<string>()
    const bodies: Array<string> = []
    const server = createServer((request, response) => {
      let body = ""
      request.on("data", (chunk: Buffer) => (body += chunk.toString()))
      request.on("end", () => {
        paths.add(request.url ?? "")
        bodies.push(body)
        if (request.url === "/v1/traces") {
          const { resourceSpans }: TraceData = JSON.parse(body)
          for (const { scopeSpans } of resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans)
        }
        response.end("{}")
      })
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
    return { server, url, spans, paths, bodies }
  }),
  ({ server }) => Effect.sync(() => server.close())
)

interface Span {
  readonly traceId: string
  readonly name: string
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly stringValue?: string } }>
}

interface TraceData {
  readonly resourceSpans: ReadonlyArray<{ readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Span> }> }>
}

interface Entry {
  readonly message: string
  readonly level: string
  readonly turnId?: string
}

layer(world, { excludeTestServices: true, timeout: 120_000 })("a worker as a service", (it) => {
  it.effect(
    "logs what happens, counts it, and reports its state to status, until it is stopped",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const { directory, environment, root } = yield* OpenCodeHome
        const { url } = yield* EmbeddedDeployment
        const proxy = yield* FaultProxy.make({ port: Number(new URL(url).port) })
        const received = yield* collector
        const variables = {
          ...environment,
          OPENCODE_WORKER_LOG_FORMAT: "",
          OPENAI_API_KEY: secretKey,
          OTEL_EXPORTER_OTLP_ENDPOINT: received.url,
          OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
          OTEL_BSP_SCHEDULE_DELAY: "200",
          OTEL_BLRP_SCHEDULE_DELAY: "200",
          OTEL_METRIC_EXPORT_INTERVAL: "500"
        }
        const flags = ["--permissions", "inherit", "--print-pairing-code", "--health-listen", "127.0.0.1:0"]
        const running = yield* command.start(
          { root, environment: variables },
          "start",
          "--url",
          proxy.url,
          "--directory",
          directory,
          ...flags
        )
        const logs = (pattern: RegExp) => Effect.promise(() => running.prints(pattern, "stderr"))
        const run = command.runner()
        const status = run({ root, environment }, "status", "--json")

        const [, health = ""] = yield* logs(/"health: (http:\/\/127\.0\.0\.1:\d+)"/)
        assert.strictEqual((yield* read(health, "/healthz")).status, 200)
        assert.strictEqual((yield* read(health, "/readyz")).status, 503)
        const [, code = ""] = yield* logs(/"Pairing code: (\S+)\\n/)
        assert.strictEqual((yield* status).code, 75)
        yield* operator.call(({ workers }) => workers.approve(code))
        yield* logs(/"Owner: https:/)
        yield* logs(/"Ready: \d+ ms/)
        assert.strictEqual((yield* read(health, "/readyz")).status, 200)

        const worker = (yield* operator.call(({ workers }) => workers.list())).find(({ online }) => online)
        assert.isDefined(worker)
        const sessionId = yield* operator.call(({ sessions }) => sessions.create(worker.workerId))
        assert.strictEqual((yield* ask(sessionId, "one")).status, "completed")
        assert.strictEqual((yield* ask(sessionId, "two")).status, "completed")
        const removal = yield* send(sessionId, "rm -f nothing")
        const request = yield* asked(sessionId)
        assert.strictEqual(metric((yield* read(health, "/metrics")).body, "requests_open"), 1)
        yield* operator.call(({ requests }) => requests.answer(request, { type: "once" }))
        yield* logs(new RegExp(`"Turn ended: completed".*"turnId":"${removal}"`))

        // The trace of a turn, from its claim to its stored result.
        const traced = ["queue:claim", "TurnScheduler.turn", "OpenCodeClient.prompt", "queue:finish"]
        yield* Effect.promise(() =>
          until(
            () => {
              const turn = received.spans.find(
                ({ attributes, name }) =>
                  name === "Turn" &&
                  attributes.some(({ key, value }) => key === "turnId" && value.stringValue === removal)
              )
              const names = received.spans.flatMap((span) => (span.traceId === turn?.traceId ? [span.name] : []))
              return traced.every((name) => names.some((one) => one.startsWith(name)))
            },
            `the trace of ${removal}`,
            () => [...new Set(received.spans.map(({ name }) => name))].join(" ")
          )
        )
        yield* Effect.promise(() => until(() => received.paths.size === 3, "all signals of OpenTelemetry"))

        const metrics = (yield* read(health, "/metrics")).body
        assert.strictEqual(metric(metrics, "turns_total", 'outcome="completed"'), 3)
        assert.strictEqual(metric(metrics, "turn_claim_seconds_count"), 3)
        assert.strictEqual(metric(metrics, "session_pool_opens_total"), 1)
        assert.strictEqual(metric(metrics, "session_pool_hits_total"), 2)
        assert.strictEqual(metric(metrics, "opencode_sessions_opened_total", 'how="created"'), 1)
        assert.strictEqual(metric(metrics, "swr_cache_fetches_total", 'cache="models"'), 1)
        assert.strictEqual(metric(metrics, "requests_total", 'outcome="answered"'), 1)
        assert.strictEqual(metric(metrics, "convex_calls_total", 'function="queue:claim"'), 3)
        assert.strictEqual(metric(metrics, "opencode_starts_total"), 1)
        assert.strictEqual(metric(metrics, "turns_running"), 0)
        assert.isAbove(metric(metrics, "delta_lag_seconds_count"), 0)

        yield* proxy.refuse
        yield* logs(/"The connection to the deployment is lost"/)
        assert.strictEqual((yield* status).code, 75)
        yield* proxy.restore
        yield* logs(/"The connection to the deployment is back after \d+ s"/)

        const [server] = (yield* Effect.promise(() => processesOf(root))).filter((one) => one.command.includes("serve"))
        assert.isDefined(server)
        signal(server.pid, "SIGKILL")
        yield* logs(/"OpenCode has ended: /)
        yield* logs(/"OpenCode \S+ runs again"/)
        yield* Effect.repeat(status, { until: ({ code: now }) => now === 0, schedule: Schedule.spaced("100 millis") })
        const [report] = JSON.parse((yield* status).stdout)
        assert.deepNestedInclude(report, { pid: running.pid, "workers[0].directory": directory, "workers[0].epoch": 1 })
        assert.match(report.workers[0].opencode.version, /^1\./)
        assert.include((yield* run({ root, environment }, "status")).stdout, `Ready  ${directory}`)

        // The next process recovers the turn of one that was killed.
        const cut = yield* send(sessionId, "Go on")
        yield* streaming(cut)
        running.kill("SIGKILL")
        yield* Effect.promise(() => running.ended)
        const next = yield* command.start(
          { root, environment: variables },
          "start",
          "--url",
          proxy.url,
          "--directory",
          directory,
          ...flags
        )
        yield* Effect.promise(() => next.prints(/"1 turn of an earlier process was interrupted"/, "stderr"))
        next.kill("SIGTERM")
        const { code: exitCode, stderr, stdout } = yield* Effect.promise(() => next.ended)
        assert.strictEqual(exitCode, 0, stderr)
        assert.match(stderr, /"Stopped: /)
        assert.strictEqual((yield* status).code, 75)

        const identity = /data: (\S+?)"/.exec(stderr)?.[1] ?? ""
        const files = yield* Effect.promise(() => processFiles(identity))
        const log = running.stderr() + stderr
        for (const secret of [secretKey, ...files]) assert.notInclude(log + received.bodies.join(""), secret)
        assert.strictEqual(running.stdout() + stdout, "")
        const entries: ReadonlyArray<Entry> = log
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
        for (const message of ["Turn started", "Request opened", "Request answered", "The lease is acquired"]) {
          assert.isTrue(
            entries.some((entry) => entry.message === message),
            message
          )
        }
      }).pipe(Effect.scoped),
    // Several processes start one after another.
    240_000
  )
})

/** The secrets in the files of a data folder. */
const processFiles = async (folder: string): Promise<ReadonlyArray<string>> => {
  const names = (await readdir(folder)).filter((name) => /^worker-\w+\.json$/.test(name))
  assert.isNotEmpty(names)
  return Promise.all(
    names.map(async (name) => {
      const { secret }: { readonly secret: string } = JSON.parse(await readFile(join(folder, name), "utf8"))
      return secret
    })
  )
}
