import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import * as command from "../support/command.ts"

const limit = { timeout: 180_000 }
const escape = "\u001b"
const ctrlC = "\u0003"
const ctrlD = "\u0004"

/** Goes on for ever when told so; else says which prompt it answers. */
const talkative: Script = ({ lastUserText, prompts }) =>
  lastUserText === "Go on"
    ? Reply.sequence([Reply.text("and on and on"), Reply.hang])
    : Reply.text(`${prompts.length}: ${lastUserText}`)

const chatIn = Effect.fnUntraced(function* (home: OpenCodeHome["Service"], ...args: ReadonlyArray<string>) {
  const { directory, environment, root } = home
  const chat = yield* command.atTerminal({ root, environment }, "dev", "--directory", directory, ...args)
  return { ...chat, says: (pattern: RegExp) => Effect.promise(() => chat.says(pattern)) }
})

const newHome = Effect.flatMap(ScriptedProvider, ({ config }) => OpenCodeHome.make({ config }))

type Chat = Effect.Success<ReturnType<typeof chatIn>>

/** Types until the command has ended, as a person does who sees that nothing happens. */
const leave = (chat: Chat, keys: string) =>
  Effect.sync(() => chat.type(keys)).pipe(
    Effect.andThen(Effect.sleep("2 seconds")),
    Effect.forever,
    Effect.raceFirst(Effect.promise(() => chat.ended))
  )

/** Lines are read as they are typed, and typed keys are shown. */
const assertUsable = (stdout: string) => {
  const settings = stdout.slice(stdout.indexOf("exit code"))
  for (const setting of [/\sicanon\s/, /\secho\s/, /\sisig\s/]) assert.match(settings, setting)
}

const sessionOf = (stdout: string) => /^session +(\S+)/m.exec(stdout)?.[1] ?? "none"

layer(Layer.merge(ScriptedProvider.layer(talkative), NodeServices.layer), { excludeTestServices: true })(
  "opencode-worker dev at a terminal",
  (it) => {
    it.effect(
      "Esc stops an answer, keeps what was said, and the chat goes on",
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
          yield* chat.says(/^2: Still there\?.*> $/ms)
          const { stdout } = yield* leave(chat, ctrlD)
          assert.match(stdout, /^Answers +1 of 2 complete/m)
          assert.match(stdout, /^Processes left +0/m)
          assert.match(stdout, /exit code 0\r?\n/)
          assertUsable(stdout)

          const again = yield* chatIn(home, "--session", sessionOf(stdout))
          const [said] = yield* again.says(/Esc stops an answer/)
          const before = again.stdout().slice(0, again.stdout().indexOf(said)).replaceAll("\r", "")
          assert.match(before, /^> Go on\nand on and on\n.*aborted.*\n> Still there\?\n2: Still there\?\n/ms)
          assert.match((yield* leave(again, "/exit\n")).stdout, /exit code 0/)
        }),
      limit
    )

    it.effect(
      "Ctrl-C in the middle of an answer leaves, and the terminal is as it was",
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
  }
)
