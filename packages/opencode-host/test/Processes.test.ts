import type { ChildProcess } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import { OpenCodeHost, type OpenCodeHostOptions, listProcesses } from "../src/index.ts"
import { endOf, eventually, parent, promptOf, setting } from "./support.ts"

/** Five ways to outlive the one who started you, and one that drops the mark. */
const stubborn = [
  "sleep 301 &",
  "nohup sleep 302 >/dev/null 2>&1 &",
  "setsid sleep 303 &",
  "(trap '' TERM HUP; exec sleep 304) &",
  "env -i sleep 305 &",
  "wait"
].join(" ")
/** The server, the tool's shell, and the five. */
const processes = 7

const staying = Effect.map(
  setting(({ toolResults, messages }) =>
    toolResults.length === 0 && messages.at(-1)?.text === "stay"
      ? Reply.toolCall("bash", { command: stubborn, description: "stay" })
      : Reply.text("Hello again.")
  ),
  ({ options }) => options
)

const isAlive = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
  } catch {
    return false
  }
}

/** Where the server got its private files from. */
const privateFolder = (pids: ReadonlyArray<number>): string => {
  const environments = pids.map((pid) => readFileSync(`/proc/${pid}/environ`, "latin1"))
  return (
    environments
      .map((text) => /BUN_INSPECT_PRELOAD=(\S*\/opencode-host-[\w-]+)\//.exec(text)?.[1])
      .find((path) => path) ?? ""
  )
}

const refuses = (url: string) =>
  Effect.promise(() =>
    fetch(url).then(
      () => false,
      () => true
    )
  )

const Started = Schema.fromJsonString(
  Schema.Struct({ hostId: Schema.String, url: Schema.String, sessionId: Schema.String })
)

const started = (child: ChildProcess) =>
  Effect.callback<string>((resume) => {
    if (child.stdout !== null) createInterface(child.stdout).once("line", (line) => resume(Effect.succeed(line)))
  }).pipe(Effect.flatMap(Schema.decodeUnknownEffect(Started)))

const limit = 120_000

/** Kills a host with `signal` while its tools run: they are gone, and so is everything else that it held. */
const killed = Effect.fnUntraced(function* (signal: NodeJS.Signals) {
  const options = yield* staying
  const child = yield* parent(options)
  const { hostId, url } = yield* started(child)
  const pids = yield* eventually(listProcesses(hostId), (found) => found.length >= processes)
  assert.isFalse(yield* refuses(url))
  const folder = privateFolder(pids)
  assert.isTrue(existsSync(folder))

  child.kill(signal)
  yield* eventually(
    Effect.sync(() => pids.filter(isAlive)),
    (left) => left.length === 0
  )
  assert.deepStrictEqual(yield* listProcesses(hostId), [])
  assert.isTrue(yield* refuses(url))
  yield* eventually(
    Effect.sync(() => existsSync(folder)),
    (exists) => !exists
  )

  const layer = OpenCodeHost.layer(options)
  const { directory } = yield* Effect.provide(OpenCodeHost, layer)
  assert.strictEqual(directory, options.directory)
})

const signals: ReadonlyArray<NodeJS.Signals> =
  process.env["TEST_FULL"] === undefined ? ["SIGKILL"] : ["SIGKILL", "SIGHUP"]

describe.skipIf(process.platform !== "linux")("processes", () => {
  it.live(
    "a host that is killed, or loses its terminal, leaves no server, no tool, no port, no lock and no private file",
    // `pnpm test:full` closes its terminal, too.
    () => Effect.forEach(signals, killed, { concurrency: 2, discard: true }),
    limit
  )

  it.live(
    "of a host that lives: one start for all, a killed server replaced, nothing left at the end",
    () =>
      Effect.gen(function* () {
        const options = yield* staying
        const hostId = yield* Effect.gen(function* () {
          const host = yield* OpenCodeHost
          const first = yield* sharedStart(host)
          yield* rivalIsRefused(options)

          const { id } = yield* host.client.sessions.create({ title: "stay" })
          const gap = yield* host.events.pipe(
            Stream.filter((event) => event._tag === "Gap"),
            Stream.runHead,
            Effect.forkScoped({ startImmediately: true })
          )
          const turn = yield* Effect.forkScoped(Stream.runCollect(host.turn(yield* promptOf(id, "stay"))))
          const tools = yield* eventually(listProcesses(host.hostId), (found) => found.length >= processes)
          process.kill(first, "SIGKILL")
          const end = endOf(yield* Fiber.join(turn))
          assert.strictEqual(end.outcome, "interrupted")
          assert.strictEqual(end.error?.name, "ServerDied")
          assert.deepStrictEqual(tools.filter(isAlive), [])
          assert.notStrictEqual((yield* host.server).pid, first)
          yield* Fiber.join(gap)

          const again = yield* Stream.runCollect(host.turn(yield* promptOf(id, "hello")))
          assert.strictEqual(endOf(again).outcome, "completed")

          yield* Effect.forkScoped(Stream.runDrain(host.turn(yield* promptOf(id, "stay"))))
          yield* eventually(listProcesses(host.hostId), (found) => found.length >= processes)
          return host.hostId
        }).pipe(Effect.scoped, Effect.provide(OpenCodeHost.layer(options)))
        assert.deepStrictEqual(yield* listProcesses(hostId), [])
      }),
    limit
  )
})

/** Ninety concurrent callers, the first of which is interrupted, share one process. Returns its pid. */
const sharedStart = Effect.fnUntraced(function* (host: OpenCodeHost["Service"]) {
  const impatient = yield* Effect.forkScoped(host.server, { startImmediately: true })
  const callers = yield* Effect.forkScoped(
    Effect.all(
      Array.from({ length: 90 }, () => host.server),
      { concurrency: "unbounded" }
    ),
    { startImmediately: true }
  )
  yield* eventually(listProcesses(host.hostId), (found) => found.length > 0)
  impatient.interruptUnsafe()
  const pids = new Set((yield* Fiber.join(callers)).map(({ pid }) => pid ?? 0))
  assert.strictEqual(pids.size, 1)
  assert.deepStrictEqual(yield* listProcesses(host.hostId), [...pids])
  return [...pids][0] ?? 0
})

const rivalIsRefused = Effect.fnUntraced(function* (options: OpenCodeHostOptions) {
  const rival = yield* Effect.flip(Effect.provide(OpenCodeHost, Layer.fresh(OpenCodeHost.layer(options))))
  assert.strictEqual(rival.reason._tag, "DirectoryInUse")
  assert.include(rival.message, String(process.pid))
})
