import { existsSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
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

const chatIn = Effect.fnUntraced(function* (home: OpenCodeHome["Service"], ...args: ReadonlyArray<string>) {
  const { directory, environment, root } = home
  const chat = yield* command.atTerminal({ root, environment }, "dev", "--directory", directory, ...args)
  return { ...chat, says: (pattern: RegExp) => Effect.promise(() => chat.prints(pattern)) }
})

const newHome = Effect.flatMap(ScriptedProvider, ({ config }) =>
  OpenCodeHome.make({ config: { ...config, snapshot: false, permission: { bash: "ask" } } })
)

type Chat = Effect.Success<ReturnType<typeof chatIn>>

const leave = (chat: Chat, keys: string) =>
  Effect.andThen(
    Effect.sync(() => chat.type(keys)),
    Effect.promise(() => chat.ended)
  )

/** Asserts that the terminal is back in line mode with echo. */
const assertUsable = (stdout: string) => {
  const settings = stdout.slice(stdout.indexOf("exit code"))
  for (const setting of [/\sicanon\s/, /\secho\s/, /\sisig\s/]) assert.match(settings, setting)
}

const sessionOf = (stdout: string) => /^session +(\S+)/m.exec(stdout)?.[1] ?? "none"

layer(Layer.merge(ScriptedProvider.layer(talkative), NodeServices.layer), { excludeTestServices: true })(
  "opencode-worker dev at a terminal",
  (it) => {
    it.effect(
      "stops an answer on Esc, keeps its text, and continues the chat",
      () =>
        Effect.gen(function* () {
          const home = yield* newHome
          const chat = yield* chatIn(home)
          yield* chat.says(/Esc stops an answer.*> $/s)
          chat.type("Go on\n")
          yield* chat.says(/and on and on/)
          chat.type(`never sent${escape}`)
          yield* chat.says(/aborted.*> $/s)
          chat.type("Still there?\n")
          yield* chat.says(/^2: Still there\? .*> $/ms)
          const { stdout } = yield* leave(chat, ctrlD)
          assert.match(stdout, /^Answers +1 of 2 complete/m)
          assert.match(stdout, /^Processes left +0/m)
          assert.match(stdout, /exit code 0\r?\n/)
          assertUsable(stdout)

          const again = yield* chatIn(home, "--session", sessionOf(stdout))
          const [said] = yield* again.says(/Esc stops an answer/)
          const before = again.stdout().slice(0, again.stdout().indexOf(said)).replaceAll("\r", "")
          assert.match(before, /^> Go on\nand on and on\n.*aborted.*\n> Still there\?\n2: Still there\? /ms)
          assert.match((yield* leave(again, "/exit\n")).stdout, /exit code 0/)
        }),
      limit
    )

    it.effect(
      "exits on Ctrl-C during an answer, and restores the terminal",
      () =>
        Effect.gen(function* () {
          const home = yield* newHome
          const chat = yield* chatIn(home)
          yield* chat.says(/> $/)
          chat.type("Go on\n")
          yield* chat.says(/and on and on/)
          chat.type(ctrlC)
          const { stdout } = yield* Effect.promise(() => chat.ended)
          assert.match(stdout, /exit code 130/)
          assertUsable(stdout)
          assert.deepStrictEqual(yield* Effect.promise(() => command.processesBelow(home.root)), [])
        }),
      limit
    )

    it.effect(
      "never answers a request with text that was typed before it, and keeps that text for the next prompt",
      () =>
        Effect.gen(function* () {
          const home = yield* newHome
          const chat = yield* chatIn(home)
          yield* chat.says(/> $/)
          chat.type("Run\ny\nand the")
          yield* chat.says(
            /asks to run this command:.*│ echo done >ran; cat ran.*kept for your next prompt.*answer: $/s
          )
          assert.isFalse(existsSync(join(home.directory, "ran")))
          chat.type("yes\n")
          yield* chat.says(/It says: done.*> y\r?\n {2}and the$/s)
          chat.type(" rest\n")
          yield* chat.says(/^2: y\r?\nand the rest/m)
          assert.match((yield* leave(chat, ctrlD)).stdout, /exit code 0/)
        }),
      limit
    )

    it.effect(
      "asks for permission with --prompt, and exits when the prompt is answered",
      () =>
        Effect.gen(function* () {
          const home = yield* newHome
          const chat = yield* chatIn(home, "--prompt", "Run")
          yield* chat.says(/^> Run\r?\n.*asks to run this command:.*│ echo done >ran; cat ran.*answer: $/ms)
          assert.isFalse(existsSync(join(home.directory, "ran")))
          chat.type("yes\n")
          const { stdout } = yield* Effect.promise(() => chat.ended)
          assert.match(stdout, /It says: done/)
          assert.match(stdout, /^Answers +1 of 1 complete/m)
          assert.match(stdout, /exit code 0\r?\n/)
          assert.notMatch(stdout, /Type a prompt/)
          assertUsable(stdout)
        }),
      limit
    )

    it.effect(
      "shows a command with terminal sequences verbatim, and stops the turn on Esc instead of answering",
      () =>
        Effect.gen(function* () {
          const home = yield* newHome
          const chat = yield* chatIn(home)
          yield* chat.says(/> $/)
          chat.type("Forge\n")
          const [card] = yield* chat.says(/asks to run this command:.*answer: $/s)
          assert.include(card, "│ true '␍␛[2J␛[H? OpenCode asks to run this command:")
          assert.include(card, "│   │ ls␛[8m'; touch forged")
          chat.type(escape)
          yield* chat.says(/no longer waits for an answer.*aborted.*> $/s)
          assert.isFalse(existsSync(join(home.directory, "forged")))
          const { stdout } = yield* leave(chat, "/exit\n")
          assert.match(stdout, /exit code 0/)
          // The chat itself clears only the rows below its line.
          assert.notInclude(stdout, "\u001b[2J")
          assert.notInclude(stdout, "\u001b[8m")
        }),
      limit
    )

    it.effect(
      "sends a paste as one prompt, with its line breaks, tabs and long lines",
      () =>
        Effect.gen(function* () {
          const home = yield* newHome
          const chat = yield* chatIn(home)
          yield* chat.says(/> $/)
          const long = "x".repeat(6000)
          chat.type(`\u001b[200~first\r\n\tsecond\r${long}\u001b[201~`)
          chat.type("!\n")
          yield* chat.says(new RegExp(`\\(${`first\n\tsecond\n${long}!`.length}\\).*> $`, "s"))
          const { stdout } = yield* leave(chat, ctrlD)
          assert.match(stdout, /^Answers +1 of 1 complete/m)
        }),
      limit
    )

    it.effect(
      "keeps and shows text that is typed during an answer, and sends an entered line as the next prompt",
      () =>
        Effect.gen(function* () {
          const home = yield* newHome
          const chat = yield* chatIn(home)
          yield* chat.says(/> $/)
          chat.type("Slowly\n")
          yield* chat.says(/one by one/)
          chat.type("Next\nand a be")
          yield* chat.says(/> Next\r?\n2: Next .*> and a be$/s)
          // Editing keys: a word, a character, the line.
          chat.type("ginning\u0017\u007f\u007f\u0015Some words\u001b[D\u001b[D\u007f\n")
          yield* chat.says(/^3: Some wods/m)
          assert.match((yield* leave(chat, ctrlD)).stdout, /exit code 0/)
        }),
      limit
    )

    it.effect(
      "writes no colours or cursor movement to a terminal without them",
      () =>
        Effect.gen(function* () {
          const home = yield* newHome
          const { directory, environment, root } = home
          const options = { root, environment: { ...environment, TERM: "dumb" } }
          const chat = yield* command.atTerminal(options, "dev", "--directory", directory)
          yield* Effect.promise(() => chat.prints(/> $/))
          chat.type("Hello\n")
          yield* Effect.promise(() => chat.prints(/^1: Hello .*> $/ms))
          chat.type("Go on\n")
          yield* Effect.promise(() => chat.prints(/and on and on/))
          chat.type(escape)
          yield* Effect.promise(() => chat.prints(/aborted.*> $/s))
          const { stdout } = yield* leave({ ...chat, says: () => Effect.die("unused") }, ctrlD)
          assert.notInclude(stdout, escape)
          assertUsable(stdout)
        }),
      limit
    )
  }
)
