import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer, Stream } from "effect"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { Client } from "@opencode-worker/client/effect"
import { operatorLayer } from "../../src/local/operatorLayer.ts"
import { type Running } from "@opencode-worker/harness"
import * as command from "../support/command.ts"
import { answer, ask, folderIn, send, streaming } from "../support/world.ts"

/** Runs the prompt as a shell command and answers with its output. "Go on" never ends. */
const shell: Script = ({ lastUserText, toolResults }) => {
  if (lastUserText === "Slowly") return Reply.text("one by one ".repeat(10), { chunks: 10, every: "200 millis" })
  if (lastUserText === "Go on") return Reply.sequence([Reply.text("so far"), Reply.hang])
  const [result] = toolResults
  return result === undefined
    ? Reply.toolCall("bash", { command: lastUserText, description: "the prompt" })
    : Reply.text(`It says: ${result.output}`)
}

/** A deployment that outlives the workers, with this test as operator; the user's configuration allows the shell. */
const world = Layer.unwrap(
  Effect.gen(function* () {
    const { config } = yield* ScriptedProvider
    const allowed = { bash: { "*": "allow", "touch *": "deny" } }
    const home = yield* OpenCodeHome.make({ config: { ...config, snapshot: false, permission: allowed } })
    return operatorLayer.pipe(
      Layer.provideMerge(EmbeddedDeployment.serve(folderIn(home))),
      Layer.merge(Layer.succeed(OpenCodeHome, home))
    )
  })
).pipe(Layer.provideMerge(Layer.merge(ScriptedProvider.layer(shell), NodeServices.layer)))

type Variables = Readonly<Record<string, string>>

/** Starts the command in the home's directory, at the deployment. */
const start = Effect.fnUntraced(function* (args: ReadonlyArray<string>, variables: Variables) {
  const { directory, environment, root } = yield* OpenCodeHome
  const { url } = yield* EmbeddedDeployment
  const options = { root, environment: { ...environment, ...variables } }
  return yield* command.start(options, "start", "--url", url, "--directory", directory, "--print-pairing-code", ...args)
})

const says = (running: Running, pattern: RegExp) => Effect.promise(() => running.prints(pattern))

/** A worker of the home, paired at its first start. */
const ready = Effect.fnUntraced(function* (args: ReadonlyArray<string> = [], variables: Variables = {}) {
  const operator = yield* Client
  const running = yield* start(args, variables)
  const [, code] = yield* says(running, /^(?:Pairing code +(\S+)|Ready)/m)
  if (code !== undefined) yield* operator.call(({ workers }) => workers.approve(code))
  yield* says(running, /^Ready/m)
  return running
})

const newSession = Effect.gen(function* () {
  const operator = yield* Client
  const worker = (yield* operator.call(({ workers }) => workers.list())).find(({ online }) => online)
  assert.isDefined(worker)
  return yield* operator.call(({ sessions }) => sessions.create(worker.workerId))
})

const limit = { timeout: 300_000 }

layer(world, { excludeTestServices: true, timeout: 300_000 })("opencode-worker start", (it) => {
  it.effect(
    "pairs once, requests approval for a command that the configuration allows, interrupts its turn at the second signal, excludes a second machine with its identity, is fenced after that takes over, answers nothing twice, continues when the reader of its log leaves, and finishes its turn when it stops",
    () =>
      Effect.gen(function* () {
        const { root } = yield* OpenCodeHome
        const operator = yield* Client
        const provider = yield* ScriptedProvider
        const args = ["--data", join(root, "identity")]
        const first = yield* ready(args)
        const sessionId = yield* newSession
        const turnId = yield* operator.call(({ turns }) => turns.send(sessionId, "echo hello"))
        const [request] = yield* operator
          .stream(({ requests }) => requests.watch({ sessionId }))
          .pipe(
            Stream.filter((pending) => pending.length > 0),
            Stream.runHead,
            Effect.flatMap(Effect.fromOption)
          )
        assert.isDefined(request)
        assert.match(request.subject, /echo hello/)
        yield* operator.call(({ requests }) => requests.answer(request, { type: "once" }))
        yield* Stream.runDrain(operator.stream(({ turns }) => turns.follow(turnId)))
        const parts = yield* operator.call(({ turns }) => turns.parts(turnId))
        assert.include(JSON.stringify(parts), "It says: hello")

        first.kill("SIGKILL")
        yield* Effect.promise(() => first.ended)
        const second = yield* ready(args)
        assert.notMatch(second.stdout(), /Pairing code|Trying again/)
        assert.strictEqual((yield* operator.call(({ workers }) => workers.list())).length, 1)
        const cut = yield* send(sessionId, "Go on")
        yield* streaming(cut)
        const { chats } = yield* provider.stats
        second.kill("SIGTERM")
        yield* says(second, /^Draining +waits up to 30 s/m)
        second.kill("SIGTERM")
        const { code, stderr } = yield* Effect.promise(() => second.ended)
        assert.strictEqual(code, 130, stderr)

        const third = yield* ready([...args, "--permissions", "inherit"])
        const left = yield* answer(cut)
        assert.deepInclude(left, { status: "interrupted", text: "so far" })
        assert.match(left.error, /The worker stopped in the middle of this turn/)
        assert.strictEqual((yield* provider.stats).chats - chats, 0)

        const fenced = yield* send(sessionId, "Go on")
        const waiting = yield* send(sessionId, "echo next")
        yield* streaming(fenced)
        const { chats: before } = yield* provider.stats

        // Another machine has another state directory, so it does not see the lock of the directory.
        const other = yield* start([...args, "--permissions", "inherit"], { XDG_STATE_HOME: join(root, "elsewhere") })
        yield* says(other, /^(?:Ready|Trying again .*Another process runs this worker)/m)
        assert.notMatch(other.stdout(), /^(?:Pairing code|Ready)/m)
        third.kill("SIGSTOP")
        yield* says(other, /^Ready/m)
        assert.deepInclude(yield* answer(fenced), { status: "interrupted", text: "so far" })
        assert.deepInclude(yield* answer(waiting), { status: "completed", text: "It says: next\n" })
        third.kill("SIGCONT")
        const replaced = yield* Effect.promise(() => third.ended)
        assert.strictEqual(replaced.code, 79, replaced.stderr)

        other.closeOutput()
        // Both are written to the closed log.
        const { workerId } =
          (yield* operator.call(({ sessions }) => sessions.get(sessionId))) ??
          (yield* Effect.die("There is no session"))
        yield* operator.call(({ workers }) => workers.pause(workerId))
        yield* operator.call(({ workers }) => workers.resume(workerId))
        assert.strictEqual((yield* ask(sessionId, "echo again")).text, "It says: again\n")
        // A tool call and its answer for each of two prompts.
        assert.strictEqual((yield* provider.stats).chats - before, 4)
        const slow = yield* send(sessionId, "Slowly")
        yield* streaming(slow)
        other.kill("SIGTERM")
        assert.deepInclude(yield* answer(slow), { status: "completed", text: "one by one ".repeat(10) })
        assert.strictEqual((yield* Effect.promise(() => other.ended)).code, 0)
        yield* command.untilEnded(root)
      }),
    limit
  )
})
