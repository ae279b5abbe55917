/** A person on another machine: signs in by a code, sends, chats, answers, steers, stops, leaves and returns. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { workerProgram } from "@opencode-worker/harness"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import * as command from "../support/command.ts"
import { screenOf } from "../support/terminalScreen.ts"
import { folderIn } from "../support/world.ts"

const script: Script = ({ lastUserText, prompts, toolResults }) => {
  if (lastUserText === "Go on") return Reply.sequence([Reply.text("so far\n\n"), Reply.hang])
  const [, run] = /^Run (.*)/.exec(lastUserText) ?? []
  if (run === undefined) return Reply.text(`${prompts.length}. **You** wrote \`${lastUserText}\`.\n\n- one\n- two\n`)
  if (toolResults.length > 0) return Reply.text(`It says: ${toolResults.at(-1)?.output}`)
  return Reply.toolCall("bash", { command: run, description: "the prompt" })
}

const world = Layer.unwrap(
  Effect.gen(function* () {
    const { config } = yield* ScriptedProvider
    const greet = { template: "Hello $ARGUMENTS", description: "Greet a person" }
    const home = yield* OpenCodeHome.make({ config: { ...config, snapshot: false, command: { greet } } })
    return EmbeddedDeployment.serve(folderIn(home)).pipe(Layer.merge(Layer.succeed(OpenCodeHome, home)))
  })
).pipe(Layer.provideMerge(Layer.merge(ScriptedProvider.layer(script), NodeServices.layer)))

/** The worker, on its own machine, with its standard output. */
const startWorker = Effect.gen(function* () {
  const { directory, environment, root } = yield* OpenCodeHome
  const { url } = yield* EmbeddedDeployment
  const where = ["--url", url, "--directory", directory, "--print-pairing-code", "--attachable"]
  return yield* command.start({ root, environment }, "start", ...where)
})

/** The recipe of the documentation, for a shell. */
const recipe = () => {
  const docs = readFileSync(new URL("../../../../docs/command-line.md", import.meta.url), "utf8")
  const found = /```sh\n(opencode-worker send -F task\.md [^\n]+)\n```/.exec(docs)?.[1]
  assert.isDefined(found, "docs/command-line.md has the recipe for CI")
  return found ?? ""
}

/** Waits until a prompt is no longer in the queue of a session. */
const untilClaimed = Effect.fnUntraced(function* <E, R>(
  operate: (...args: ReadonlyArray<string>) => Effect.Effect<{ readonly stdout: string }, E, R>,
  sessionId: string,
  prompt: string
) {
  const queue = operate("turns", "queue", sessionId, "--jq", ".[].head")
  yield* Effect.repeat(queue, { until: ({ stdout }) => !stdout.split("\n").includes(prompt) })
})

layer(world, { excludeTestServices: true, timeout: 300_000 })("an operator on another machine", (it) => {
  it.effect(
    "signs in by a code, sends, chats, steers, stops, leaves, returns after a restart of the worker, and drains it",
    () =>
      Effect.gen(function* () {
        const { directory, environment, root } = yield* OpenCodeHome
        const { operatorToken, url } = yield* EmbeddedDeployment
        const owner = { OPENCODE_WORKER_TOKEN: yield* operatorToken, OPENCODE_WORKER_URL: url }
        const worker = yield* startWorker
        const [, code = ""] = yield* Effect.promise(() => worker.prints(/^Pairing code +(\S+)/m))
        const approved = yield* command.run({ root, environment: owner }, "approve", code, "--yes")
        assert.strictEqual(approved.code, 0, approved.stderr)
        const added = yield* command.run({ root, environment: owner }, "devices", "add", "laptop")

        const there = yield* command.home
        const run = command.runner()
        const operate = (...args: ReadonlyArray<string>) => run({ root: there, stdin: "" }, ...args)
        const signedIn = yield* operate("login", added.stdout.trim(), "--url", url)
        assert.match(signedIn.stdout, /^Signed in to .* as laptop \(operate\)/, signedIn.stderr)

        const sent = yield* operate("send", "Hello")
        assert.strictEqual(sent.stdout, "1. **You** wrote `Hello`.\n\n- one\n- two\n\n", sent.stderr)
        const ids = yield* operate("sessions", "ls", "--jq", ".[].sessionId")
        const sessionId = ids.stdout.trim()
        const completed = yield* operate("complete", "--", "sessions", "show", sessionId.slice(0, 4))
        assert.match(completed.stdout, new RegExp(`^${sessionId}\\t`), completed.stderr)
        const invalid = yield* operate("sessions", "ls", "--jq", ".[")
        assert.strictEqual(invalid.code, 2, invalid.stderr)
        assert.match(invalid.stderr, /--jq \.\[: syntax error/)

        // A chat: Markdown, the queue, a permission, a steering prompt, Esc.
        const chat = yield* command.atTerminal({ root: there }, "chat", sessionId)
        const screen = screenOf(chat)
        const shows = (pattern: RegExp) => Effect.promise(() => screen.shows(pattern))
        const type = (text: string) => Effect.sync(() => void chat.type(text))
        yield* shows(/^> Hello\n1\. You wrote `?Hello`?\.\n\n• one\n• two\n[^]*\n>$/m)
        yield* type("/mod")
        yield* shows(/ \/model provider\/model +Choose the model[^]*\n> \/mod$/)
        yield* type("\t")
        yield* shows(/\n> \/model$/)
        yield* type("\u0015Run touch ran\n")
        yield* shows(/asks to run this command:\n[^]*│ touch ran\n[^]*your answer:$/)
        assert.isFalse(existsSync(join(directory, "ran")))
        yield* type("yes\n")
        yield* shows(/\nIt says: \(no output\)\n[^]*\n>$/)
        assert.isTrue(existsSync(join(directory, "ran")))
        // OpenCode reads a steering prompt when the running tool has ended.
        yield* type("Run echo began; until [ -e go ]; do sleep 0.1; done\n")
        yield* shows(/│ echo began; until[^]*your answer:$/)
        yield* type("yes\n")
        yield* shows(/your answer: yes\n[^]*your answer: yes\n[^]*Esc stops\n>$/)
        yield* type("Later\n")
        yield* shows(/queued: Later\n/)
        yield* type("/steer Turn\n")
        yield* untilClaimed(operate, sessionId, "Turn")
        writeFileSync(join(directory, "go"), "")
        yield* shows(/\n> Turn\n\d\. You wrote Turn\.\n[^]*\n> Later\n\d\. You wrote Later\.\n[^]*\n>$/)
        yield* type("Go on\n")
        yield* shows(/\n> Go on\nso far\n[^]*Esc stops\n>$/)
        yield* type("\u001b")
        yield* shows(/\nstopped by you\n(?:[^]*\n)?>$/)
        // Up recalls a prompt, and leaving leaves the turn.
        yield* type("\u001b[A")
        yield* shows(/\n> Go on$/)
        yield* type("\n")
        yield* shows(/stopped by you[^]*\n> Go on\nso far\n[^]*Esc stops\n>$/)
        yield* type("/exit\n")
        yield* shows(/The turn goes on\. To continue: opencode-worker chat \S+\nexit code 0/)

        // The worker is killed, and another process takes over.
        yield* Effect.promise(() => worker.end("SIGKILL"))
        const restarted = yield* startWorker
        yield* Effect.promise(() => restarted.prints(/^Ready/m))
        const again = yield* command.atTerminal({ root: there }, "chat", sessionId)
        const returned = screenOf(again)
        yield* Effect.promise(() =>
          returned.shows(/> Hello\n[^]*stopped by you[^]*> Go on\nso far\n[^]*cut short: [^]*\n>$/)
        )
        again.type("Still there?\n")
        yield* Effect.promise(() => returned.shows(/\n> Still there\?\n\d\. You wrote Still there\?\.\n[^]*\n>$/))
        // OpenCode's own commands, as turns.
        again.type("/gree")
        yield* Effect.promise(() => returned.shows(/ \/greet … +Greet a person\n(?:[^]*\n)?> \/gree$/))
        again.type("\tyou\n")
        yield* Effect.promise(() => returned.shows(/\n> \/greet you\n\d+\. You wrote Hello you\.\n[^]*\n>$/))
        again.type("\u0004")
        yield* Effect.promise(() => returned.shows(/exit code 0/))

        const greeted = yield* operate("send", "you", "--command", "greet", "--session", sessionId)
        assert.match(greeted.stdout, /^\d+\. \*\*You\*\* wrote `Hello you`\./, greeted.stderr)

        // OpenCode's own interface, for the owner of the worker on its machine.
        const attached = yield* command.atTerminal({ root, environment }, "attach", "--directory", directory)
        const own = screenOf(attached)
        yield* Effect.promise(() => own.shows(/Ask anything/))
        attached.type("\u0003")
        yield* Effect.promise(() => own.shows(/exit code 0/))

        // The recipe for CI, as written.
        const project = join(there, "project")
        writeFileSync(
          join(there, "opencode-worker"),
          `#!/bin/sh\nexec '${process.execPath}' '${workerProgram}' "$@"\n`,
          {
            mode: 0o755
          }
        )
        const [{ machine = "" } = {}] = JSON.parse((yield* operate("workers", "ls", "--json", "machine")).stdout)
        const build = (id: string, task: string) =>
          Effect.gen(function* () {
            writeFileSync(join(project, "task.md"), task)
            const line = recipe().replace("--worker ci", `--worker ${machine}`)
            const variables = { BUILD_ID: id, PATH: `${there}:${process.env["PATH"] ?? ""}` }
            return yield* command.shell({ root: there, environment: variables }, line)
          })
        const one = yield* build("build-1", "Check\n")
        const two = yield* build("build-1", "Check\n")
        assert.strictEqual(one.code, 0, one.stderr)
        assert.strictEqual(two.code, 0, two.stderr)
        assert.strictEqual(JSON.parse(two.stdout).turnId, JSON.parse(one.stdout).turnId)
        const asking = yield* build("build-2", "Run touch checked\n")
        assert.strictEqual(asking.code, 5, asking.stderr)
        const request = (yield* operate(
          "inbox",
          "ls",
          "--jq",
          '.[] | select(.kind == "asked") | .requestId'
        )).stdout.trim()
        assert.strictEqual((yield* operate("allow", request, "--yes")).code, 0)
        const [, turnId = ""] = /Turn (\S+) waits for a person/.exec(asking.stderr) ?? []
        const [session = ""] = (yield* operate("sessions", "ls", "--jq", ".[0].sessionId")).stdout.trim().split("\n")
        const waited = yield* operate("turns", "wait", session, turnId)
        assert.strictEqual(waited.code, 0, waited.stderr)
        assert.isTrue(existsSync(join(directory, "checked")))

        const watching = yield* command.atTerminal({ root: there }, "watch")
        const fleet = screenOf(watching)
        yield* Effect.promise(() => fleet.shows(/^MACHINE +STATE[^]*ready[^]*ID +KIND[^]*q leaves$/m))
        const drained = yield* operate("workers", "drain")
        assert.strictEqual(drained.code, 0, drained.stderr)
        assert.strictEqual((yield* Effect.promise(() => restarted.ended)).code, 0)
        yield* Effect.promise(() => fleet.shows(/ offline /))
        watching.type("q")
        yield* Effect.promise(() => fleet.shows(/exit code 0/))
      }),
    { timeout: 600_000 }
  )
})
