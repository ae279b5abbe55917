/** The operator's commands, against a deployment and a worker that run elsewhere. */
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Client } from "@opencode-worker/client/effect"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import { operatorLayer } from "../../src/local/operatorLayer.ts"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import * as command from "../support/command.ts"
import { folderIn } from "../support/world.ts"

/** "Run <command>" runs it, "Go on" never ends, and other prompts are repeated with a control character. */
const script: Script = ({ lastUserText, toolResults }) => {
  if (toolResults.length > 0) return Reply.text(`It says: ${toolResults.at(-1)?.output}`)
  if (lastUserText === "Go on") return Reply.sequence([Reply.text("so far"), Reply.hang])
  const [, run] = /^Run (.*)/.exec(lastUserText) ?? []
  if (run !== undefined) return Reply.toolCall("bash", { command: run, description: "the prompt" })
  return Reply.text(`You wrote "${lastUserText}"\u001b[31m`)
}

const world = Layer.unwrap(
  Effect.gen(function* () {
    const { config } = yield* ScriptedProvider
    const home = yield* OpenCodeHome.make({ config: { ...config, snapshot: false } })
    return operatorLayer.pipe(
      Layer.provideMerge(EmbeddedDeployment.serve(folderIn(home))),
      Layer.merge(Layer.succeed(OpenCodeHome, home))
    )
  })
).pipe(Layer.provideMerge(Layer.merge(ScriptedProvider.layer(script), NodeServices.layer)))

const signedIn = Effect.gen(function* () {
  const { operatorToken, url } = yield* EmbeddedDeployment
  return { OPENCODE_WORKER_TOKEN: yield* operatorToken, OPENCODE_WORKER_URL: url }
})

const run = command.runner()

/** Runs a command of the operator. */
const operate = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { root } = yield* OpenCodeHome
  return yield* run({ root, environment: yield* signedIn, stdin: "" }, ...args)
})

const startWorker = Effect.gen(function* () {
  const { directory, environment, root } = yield* OpenCodeHome
  const { url } = yield* EmbeddedDeployment
  const where = ["--url", url, "--directory", directory, "--print-pairing-code"]
  const running = yield* command.start({ root, environment }, "start", ...where)
  const [, code = ""] = yield* Effect.promise(() => running.prints(/^Pairing code +(\S+)/m))
  const wrong = yield* operate("approve", "ABCD-EFGH", "--yes")
  assert.strictEqual(wrong.code, 2, wrong.stderr)
  assert.match(wrong.stderr, /^(?!.*pairing:).*No worker shows this code: compare it/s)
  const approved = yield* operate("approve", code, "--yes")
  assert.strictEqual(approved.code, 0, approved.stderr)
  yield* Effect.promise(() => running.prints(/^Ready/m))
})

const first = (json: string) => JSON.parse(json)[0]

layer(world, { excludeTestServices: true, timeout: 120_000 })("the operator's commands", (it) => {
  it.effect(
    "drive a worker: send, follow, allow, deny, stop, repeat, list, rename, delete, chat, pause, revoke",
    () =>
      Effect.gen(function* () {
        const { directory, root } = yield* OpenCodeHome
        const none = yield* operate("send", "Hello")
        assert.strictEqual(none.code, 2)
        assert.match(none.stderr, /You have no worker yet: opencode-worker start shows a code/)
        const unsure = yield* operate("send", "Hello", "--continue", "--idempotency-key", "task-0")
        assert.strictEqual(unsure.code, 2)
        assert.match(unsure.stderr, /--continue may choose another session/)
        yield* startWorker

        const text = yield* operate("send", "Hello")
        assert.strictEqual(text.code, 0, text.stderr)
        assert.strictEqual(text.stdout, 'You wrote "Hello"␛[31m\n')

        const once = ["send", "-F", "-", "--format", "json", "--idempotency-key", "task-1"]
        const refused = yield* operate(...once)
        assert.strictEqual(refused.code, 2, refused.stderr)
        assert.match(refused.stderr, /Standard input holds no prompt/)

        writeFileSync(join(root, "project", "notes.txt"), "the answer is 42")
        const attached = ["send", "Read", "--attach", "notes.txt", "--format", "json", "--idempotency-key", "task-0"]
        const [one, other] = [yield* operate(...attached), yield* operate(...attached)]
        assert.strictEqual(one.code, 0, one.stderr)
        assert.include(JSON.parse(one.stdout).answer, "the answer is 42")
        assert.strictEqual(JSON.parse(other.stdout).turnId, JSON.parse(one.stdout).turnId, other.stderr)
        assert.strictEqual((yield* operate("send", "Read", "--attach", "none.txt")).code, 2)
        const { sessionId: reading } = JSON.parse(one.stdout)
        const [file] = JSON.parse((yield* operate("turns", "files", reading, "--json", "name,url")).stdout)
        assert.strictEqual(file.name, "notes.txt")
        const content = yield* Effect.promise(() => fetch(file.url).then((response) => response.text()))
        assert.strictEqual(content, "the answer is 42")

        assert.strictEqual((yield* operate("send", "Hi", "--model", "echo")).code, 2)

        const asked = ["send", "Run touch ran", "--format", "jsonl", "--idempotency-key", "task-2"]
        const waiting = yield* operate(...asked)
        assert.strictEqual(waiting.code, 5, waiting.stderr)
        assert.match(waiting.stderr, /waits for a person: .*touch ran/)
        const lines = waiting.stdout.trim().split("\n")
        assert.include(JSON.parse(lines[0] ?? ""), { type: "status" })
        const inbox = yield* operate("inbox", "ls", "--json", "requestId,subject")
        const { requestId, subject } = first(inbox.stdout)
        assert.match(subject, /touch ran/)
        const unconfirmed = yield* operate("allow", requestId)
        assert.strictEqual(unconfirmed.code, 2, unconfirmed.stderr)
        assert.match(unconfirmed.stderr, /needs a confirmation at a terminal, or --yes/)
        assert.isFalse(existsSync(join(directory, "ran")))
        const allowed = yield* operate("allow", requestId.slice(0, 8), "--yes")
        assert.strictEqual(allowed.code, 0, allowed.stderr)

        const again = yield* operate(...asked)
        assert.strictEqual(again.code, 0, again.stderr)
        assert.isTrue(existsSync(join(directory, "ran")))
        const result = JSON.parse(again.stdout.trim().split("\n").at(-1) ?? "")
        assert.deepInclude(result, {
          type: "result",
          outcome: "completed",
          isWhole: true,
          answer: "It says: (no output)"
        })
        const sessionId: string = result.sessionId
        const turns = yield* operate("turns", "ls", sessionId, "--json", "status,head")
        assert.deepStrictEqual(JSON.parse(turns.stdout), [{ status: "completed", head: "Run touch ran" }])

        const detached = yield* operate("send", "Go on", "--session", sessionId, "--detach")
        assert.strictEqual(detached.code, 0, detached.stderr)
        const late = yield* operate("turns", "wait", sessionId, detached.stdout.trim(), "--timeout", "1s")
        assert.strictEqual(late.code, 6, late.stderr)
        assert.match(late.stderr, /has not ended within 1s. It goes on/)
        assert.strictEqual((yield* operate("turns", "abort", sessionId)).code, 0)
        const stopped = yield* operate("turns", "wait", sessionId)
        assert.strictEqual(stopped.code, 4, stopped.stderr)
        assert.strictEqual(stopped.stdout, "so far\n")
        const timed = yield* operate("send", "Go on", "--continue", "--timeout", "2s", "--format", "json")
        assert.strictEqual(timed.code, 6, timed.stderr)
        assert.match(timed.stderr, /was stopped: it ran longer than 2s/)
        assert.strictEqual((yield* operate("turns", "wait", sessionId)).code, 4)

        const denied = yield* operate("send", "Run touch other", "--on-request", "deny", "--session", sessionId)
        assert.strictEqual(denied.code, 0, denied.stderr)
        assert.match(denied.stdout, /It says: .*No person can be asked/s)
        assert.isFalse(existsSync(join(directory, "other")))
        const unlike = yield* operate("send", "Hi", "--budget", "lots")
        assert.strictEqual(unlike.code, 2)
        assert.match(unlike.stderr, /"lots" is not accepted: it takes an amount such as 2USD/)
        const spent = yield* operate("send", "Run touch other", "--on-request", "deny", "--budget", "1tokens")
        assert.strictEqual(spent.code, 4, spent.stderr)
        assert.match(spent.stderr, /budget/)
        const repeated = yield* operate("turns", "retry", sessionId)
        assert.strictEqual(repeated.code, 0, repeated.stderr)
        assert.strictEqual((yield* operate("turns", "abort", sessionId, repeated.stdout.trim())).code, 0)

        assert.strictEqual((yield* operate("sessions", "rename", sessionId, "Touching")).code, 0)
        const shown = yield* operate("sessions", "show", sessionId)
        assert.match(shown.stdout, /^> Run touch ran\n.*> Go on\nso far\n.*stopped by you/s)
        const client = yield* Client
        const [worker] = yield* client.call(({ workers }) => workers.list())
        if (worker === undefined) return assert.fail("There is no worker")
        const emptyId = yield* client.call(({ sessions }) => sessions.create(worker.workerId))
        const empty = yield* operate("sessions", "show", emptyId)
        assert.include(empty.stdout, `opencode-worker sessions load-history ${emptyId} imports those of OpenCode`)
        assert.strictEqual((yield* operate("sessions", "rm", emptyId, "--yes")).code, 0)
        const matching = (kind: string) =>
          operate("search", "touch ran", "-s", sessionId, "--kind", kind, "--json", "title,snippet")
        assert.match((yield* matching("prompt")).stdout, /"snippet":"Run touch ran","title":"Touching"/)
        assert.strictEqual((yield* matching("answer")).stdout, "[]\n")
        assert.match((yield* operate("search", "nonsense")).stdout, /^No turn has these words/)
        const copy = yield* operate("sessions", "fork", sessionId)
        assert.strictEqual(copy.code, 0, copy.stderr)
        const whole = yield* operate("sessions", "export", copy.stdout.trim())
        assert.include(JSON.parse(whole.stdout.split("\n")[0] ?? ""), { prompt: "Run touch ran", status: "completed" })
        assert.strictEqual((yield* operate("sessions", "rm", copy.stdout.trim(), "--yes")).code, 0)
        assert.match(
          (yield* operate("inbox", "ls")).stdout,
          /^ID +KIND +AGE +SESSION +SUBJECT\n.* (?:interrupted|finished) /s
        )
        assert.match((yield* operate("usage", "--by", "model")).stdout, /^MODEL +TURNS .*\nscripted\/echo +\d/)
        assert.match((yield* operate("approvals", "ls")).stdout, /^No standing approvals/)

        assert.match((yield* operate("notify", "ls")).stdout, /^No notifications: opencode-worker notify add/)
        const plainHttp = yield* operate("notify", "add", "http://hooks.example/x")
        assert.strictEqual(plainHttp.code, 2, plainHttp.stderr)
        assert.match(plainHttp.stderr, /url must begin with https:/)
        // The discard port of this machine refuses connections.
        const added = yield* operate("notify", "add", "https://127.0.0.1:9/hook", "--about", "asked", "--content")
        assert.match(added.stdout, /^Added \S+: opencode-worker notify test \S+ sends a test/, added.stderr)
        const targets = yield* operate("notify", "ls", "--json", "kind,url,wants,content")
        assert.deepStrictEqual(JSON.parse(targets.stdout), [
          { content: true, kind: "webhook", url: "https://127.0.0.1:9/hook", wants: ["asked"] }
        ])
        const targetId = /^Added (\S+):/.exec(added.stdout)?.[1] ?? ""
        const undelivered = yield* operate("notify", "test", targetId.slice(0, 10))
        assert.strictEqual(undelivered.code, 75, undelivered.stderr)
        assert.match(undelivered.stderr, /The test was not delivered: /)
        assert.match((yield* operate("notify", "rm", targetId)).stdout, /^Removed: https:/)
        const listed = yield* operate("sessions", "ls")
        assert.match(listed.stdout, /^ID +AGE +STATUS +TITLE\n\S+ +\d+[smh] +(?:idle|running) +Touching$/m)
        const unclear = yield* operate("sessions", "show", "zzz")
        assert.strictEqual(unclear.code, 2, unclear.stderr)
        assert.match(unclear.stderr, /There is no session zzz: opencode-worker sessions ls lists yours/)
        assert.strictEqual((yield* operate("sessions", "rm", sessionId)).code, 2)
        assert.strictEqual((yield* operate("sessions", "rm", sessionId, "--yes")).code, 0)
        const unknown = yield* operate("sessions", "ls", "--json", "name")
        assert.strictEqual(unknown.code, 2)
        assert.match(unknown.stderr, /--json has no field "name". The fields are .*sessionId/)

        const chat = yield* command.atTerminal({ root, environment: yield* signedIn }, "chat")
        yield* Effect.promise(() => chat.prints(/Type a prompt.*> $/s))
        chat.type("Run touch third\n")
        yield* Effect.promise(() => chat.prints(/asks to run this command:.*│ touch third.*answer: $/s))
        chat.type("yes\n")
        yield* Effect.promise(() => chat.prints(/It says: .*> $/s))
        chat.type("/exit\n")
        assert.match((yield* Effect.promise(() => chat.ended)).stdout, /exit code 0/)
        assert.isTrue(existsSync(join(directory, "third")))

        assert.match((yield* operate("workers", "pause")).stdout, /takes no prompts until it is resumed/)
        assert.match((yield* operate("workers", "ls")).stdout, / paused +/)
        assert.match((yield* operate("workers", "resume")).stdout, /takes prompts again/)
        assert.match((yield* operate("workers", "models")).stdout, /^\* +scripted\/echo +echo +/m)
        writeFileSync(join(directory, "notes.txt"), "from \u001b[31mafar\n")
        assert.strictEqual((yield* operate("workers", "cat", "notes.txt")).stdout, "from ␛[31mafar\n")
        const found = yield* operate("workers", "files", "notes", "--json", "all")
        assert.deepInclude(JSON.parse(found.stdout), { path: "notes.txt" })
        assert.match((yield* operate("workers", "diff")).stdout, /^\+from /m)
        assert.strictEqual((yield* operate("workers", "servers")).stdout, "OpenCode runs no servers.\n")
        const outside = yield* operate("workers", "cat", "../outside")
        assert.notStrictEqual(outside.code, 0)
        assert.include(outside.stderr, "The file is not in the worker's directory")
        assert.match((yield* operate("workers", "audit")).stdout, /answer.*\n.*approve/s)
        assert.match((yield* operate("workers", "revoke", "--yes")).stdout, /^Revoked: /)
        assert.match((yield* operate("workers", "ls")).stdout, / revoked +/)
        const operator = yield* Client
        assert.deepInclude((yield* operator.call(({ workers }) => workers.list()))[0], { approval: "revoked" })
      }),
    { timeout: 600_000 }
  )
})
