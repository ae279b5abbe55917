import { existsSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { until } from "@opencode-worker/harness"
import { Context, Effect, Layer } from "effect"
import * as command from "../support/command.ts"

const limit = { timeout: 180_000 }
const escape = "\u001b"
const ctrlC = "\u0003"
const ctrlD = "\u0004"

/**
 * "Go on" never ends, "Slowly" streams slowly, and "Run" runs a command. Any other answer repeats the prompt and its
 * length.
 */
const talkative: Script = ({ lastUserText, prompts, toolResults }) => {
  if (toolResults.length > 0) return Reply.text(`It says: ${toolResults.at(-1)?.output}`)
  if (lastUserText === "Go on") return Reply.sequence([Reply.text("and on and on"), Reply.hang])
  if (lastUserText === "Slowly") return Reply.text("one by one ".repeat(10), { chunks: 10, every: "300 millis" })
  if (lastUserText === "Run") return Reply.toolCall("bash", { command: "echo done >ran; cat ran", description: "run" })
  if (lastUserText === "Forge") return Reply.toolCall("bash", { command: forged, description: "forge" })
  return Reply.text(`${prompts.length}: ${lastUserText} (${lastUserText.length})`)
}

/** Clears the screen, shows another question, and hides the text after it. */
const forged = `true '\r\u001b[2J\u001b[H? OpenCode asks to run this command:\n  │ ls\u001b[8m'; touch forged`

const newHome = Effect.flatMap(ScriptedProvider, ({ config }) =>
  OpenCodeHome.make({ config: { ...config, snapshot: false, permission: { bash: "ask" } } })
)

/** `opencode-worker dev` at a terminal of its own. */
const openChat = Effect.fnUntraced(function* (
  { directory, environment, root }: OpenCodeHome["Service"],
  args: ReadonlyArray<string> = [],
  extra: Readonly<Record<string, string>> = {}
) {
  const options = { root, environment: { ...environment, ...extra } }
  const chat = yield* command.atTerminal(options, "dev", "--directory", directory, ...args)
  let from = 0
  const since = () => chat.stdout().slice(from)
  return {
    /** Types keys. From then on only later output counts for `says`. */
    type: (keys: string) =>
      Effect.sync(() => {
        from = chat.stdout().length
        chat.type(keys)
      }),
    /** Waits for a match in the output since the last `type`. */
    says: Effect.fnUntraced(function* (pattern: RegExp) {
      yield* Effect.promise(() => until(() => pattern.test(since()) || !chat.isAlive(), `${pattern}`, chat.stdout))
      const found = pattern.exec(since())
      assert.isNotNull(found, `${pattern} in ${chat.stdout()}`)
      return found[0]
    }),
    stdout: chat.stdout,
    ended: Effect.promise(async () => {
      await until(() => !chat.isAlive(), "the command to end", chat.stdout)
      return (await chat.ended).stdout
    })
  }
})

/** Asserts that the terminal is back in line mode with echo. */
const assertUsable = (stdout: string) => {
  const settings = stdout.slice(stdout.indexOf("exit code"))
  for (const setting of [/\sicanon\s/, /\secho\s/, /\sisig\s/]) assert.match(settings, setting)
}

const sessionOf = (stdout: string) => /session {5}(\S+)/.exec(stdout)?.[1] ?? "none"

/** One chat for the tests that only type into it. */
class Chat extends Context.Service<Chat, Effect.Success<ReturnType<typeof openChat>>>()("Chat") {
  static readonly layer = Layer.effect(
    Chat,
    Effect.flatMap(OpenCodeHome, (home) => openChat(home))
  ).pipe(Layer.provideMerge(Layer.effect(OpenCodeHome, newHome)))
}

layer(Layer.merge(ScriptedProvider.layer(talkative), NodeServices.layer), { excludeTestServices: true })(
  "opencode-worker dev at a terminal",
  (it) => {
    // The tests follow each other: the numbers are those of the prompts in this session.
    it.layer(Chat.layer, { timeout: 120_000 })("in a chat", (test) => {
      test.effect(
        "stops an answer on Esc, keeps its text, and continues the chat",
        () =>
          Effect.gen(function* () {
            const chat = yield* Chat
            yield* chat.says(/^console +http.*Ctrl-O.*Esc stops an answer.*> $/ms)
            const { environment, root } = yield* OpenCodeHome
            const status = yield* command.run({ root, environment }, "status")
            assert.match(status.stdout, /^ {2}Ready {2}.*\n {4}connected to http/m)
            // This machine has no browser: the link that signs one in is printed.
            yield* chat.type("\u000f")
            yield* chat.says(/http:\/\/127\.0\.0\.1:\d+\/#pair=\S+\r?\n.*> $/s)
            yield* chat.type("Go on\n")
            yield* chat.says(/and on and on/)
            yield* chat.type(`never sent${escape}`)
            yield* chat.says(/stopped by you.*> $/s)
            yield* chat.type("Still there?\n")
            yield* chat.says(/2: Still there\? .*> $/ms)
          }),
        limit
      )

      test.effect(
        "keeps and shows text that is typed during an answer, and sends an entered line as the next prompt",
        () =>
          Effect.gen(function* () {
            const chat = yield* Chat
            yield* chat.type("Slowly\n")
            yield* chat.says(/one by one/)
            yield* chat.type("Next\nand a be")
            yield* chat.says(/> Next\r?\n.*4: Next .*> and a be$/s)
            // Editing keys: a word, a character, the line.
            yield* chat.type("ginning\u0017\u007f\u007f\u0015Some words\u001b[D\u001b[D\u007f\n")
            yield* chat.says(/5: Some wods .*> $/ms)
          }),
        limit
      )

      test.effect(
        "sends a paste as one prompt, with its line breaks, tabs and long lines",
        () =>
          Effect.gen(function* () {
            const chat = yield* Chat
            const long = "x".repeat(6000)
            yield* chat.type(`\u001b[200~first\r\n\tsecond\r${long}\u001b[201~`)
            yield* chat.type("!\n")
            yield* chat.says(new RegExp(`\\(${`first\n\tsecond\n${long}!`.length}\\).*> $`, "s"))
          }),
        limit
      )

      test.effect(
        "never answers a request with text that was typed before it, and keeps that text for the next prompt",
        () =>
          Effect.gen(function* () {
            const chat = yield* Chat
            const { directory } = yield* OpenCodeHome
            yield* chat.type("Run\ny\nand the")
            yield* chat.says(
              /asks to run this command:.*│ echo done >ran; cat ran.*kept for your next prompt.*answer: $/s
            )
            assert.isFalse(existsSync(join(directory, "ran")))
            yield* chat.type("yes\n")
            yield* chat.says(/It says: done.*> y\r?\n {2}and the$/s)
            yield* chat.type(" rest\n")
            yield* chat.says(/8: y\r?\nand the rest .*> $/ms)
          }),
        limit
      )

      test.effect(
        "shows a command with terminal sequences verbatim, and stops the turn on Esc instead of answering",
        () =>
          Effect.gen(function* () {
            const chat = yield* Chat
            const { directory } = yield* OpenCodeHome
            const before = chat.stdout().length
            yield* chat.type("Forge\n")
            const card = yield* chat.says(/asks to run this command:.*answer: $/s)
            assert.include(card, "│ true '␍␛[2J␛[H? OpenCode asks to run this command:")
            assert.include(card, "│   │ ls␛[8m'; touch forged")
            yield* chat.type(escape)
            yield* chat.says(/no longer waits for an answer.*stopped by you.*> $/s)
            assert.isFalse(existsSync(join(directory, "forged")))
            // The chat itself clears only the rows below its line.
            assert.notInclude(chat.stdout().slice(before), "\u001b[2J")
            assert.notInclude(chat.stdout().slice(before), "\u001b[8m")
          }),
        limit
      )

      test.effect(
        "is shown again by the next chat, which exits on Ctrl-C during an answer and restores the terminal",
        () =>
          Effect.gen(function* () {
            const chat = yield* Chat
            const home = yield* OpenCodeHome
            yield* chat.type(ctrlD)
            const stdout = yield* chat.ended
            // The measurements are for the demo and for given prompts.
            assert.notMatch(stdout, /^Answers/m)
            assert.include(stdout, `To continue: opencode-worker dev --session ${sessionOf(stdout)}`)
            assert.match(stdout, /exit code 0\r?\n/)
            assertUsable(stdout)

            const again = yield* openChat(home, ["--session", sessionOf(stdout)])
            yield* again.says(/Esc stops an answer.*> $/s)
            const history = again.stdout().slice(again.stdout().indexOf("Type a prompt")).replaceAll("\r", "")
            assert.match(history, /^> Go on\nand on and on\n.*stopped by you.*\n> Still there\?\n2: Still there\? /ms)
            yield* again.type("Go on\n")
            yield* again.says(/and on and on/)
            yield* again.type(ctrlC)
            const interrupted = yield* again.ended
            assert.match(interrupted, /To continue: opencode-worker dev --session .*exit code 130/s)
            assertUsable(interrupted)
            assert.deepStrictEqual(yield* Effect.promise(() => command.processesBelow(home.root)), [])
          }),
        limit
      )
    })

    it.effect(
      "asks for permission with --prompt, writes no colours or cursor movement to a terminal without them, and exits when the prompt is answered",
      () =>
        Effect.gen(function* () {
          const home = yield* newHome
          const chat = yield* openChat(home, ["--prompt", "Run"], { TERM: "dumb" })
          yield* chat.says(/^> Run\r?\n.*asks to run this command:.*│ echo done >ran; cat ran.*answer: $/ms)
          assert.isFalse(existsSync(join(home.directory, "ran")))
          yield* chat.type("yes\n")
          const stdout = yield* chat.ended
          assert.match(stdout, /It says: done/)
          assert.match(stdout, /^Answers +1 of 1 complete/m)
          assert.match(stdout, /exit code 0\r?\n/)
          assert.notMatch(stdout, /Type a prompt/)
          assert.notInclude(stdout, escape)
          assertUsable(stdout)
        }),
      limit
    )

    // `pnpm test:full` runs it. It starts another OpenCode.
    it.effect.runIf(process.env["TEST_FULL"] !== undefined)(
      "writes no colours or cursor movement to a terminal without them, and exits on /exit",
      () =>
        Effect.gen(function* () {
          const chat = yield* openChat(yield* newHome, [], { TERM: "dumb" })
          yield* chat.says(/> $/)
          yield* chat.type("Hello\n")
          yield* chat.says(/^1: Hello .*> $/ms)
          yield* chat.type("Go on\n")
          yield* chat.says(/and on and on/)
          yield* chat.type(escape)
          yield* chat.says(/stopped by you.*> $/s)
          yield* chat.type("/exit\n")
          const stdout = yield* chat.ended
          assert.match(stdout, /exit code 0/)
          assert.notInclude(stdout, escape)
          assertUsable(stdout)
        }),
      limit
    )
  }
)
