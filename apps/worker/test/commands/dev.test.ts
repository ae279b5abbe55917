import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as command from "../support/command.ts"

const sessionOf = (said: string): string => /^session +(\S+)/m.exec(said)?.[1] ?? "none"
const limit = { timeout: 180_000 }

describe("opencode-worker dev", () => {
  it.live(
    "streams the answer, runs a real tool, and leaves no process behind",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const running = yield* command.start({ root }, "dev", "--demo", "--sample-prompt")
        // The tool's output arrives before the answer is complete.
        yield* Effect.promise(() => running.prints(/ {2}output .*README\.md/s))
        assert.notInclude(running.stdout(), "Answers")
        const { code, stderr, stdout } = yield* Effect.promise(() => running.ended)
        assert.strictEqual(code, 0, stderr)
        assert.match(stdout, /tool: bash\n {2}input {2}\{"command":"ls -a"/)
        assert.match(stdout, /it printed 4 names/)
        assert.match(stdout, /^Answers +1 of 1 complete/m)
        assert.isAbove(Number(/in (\d+) pieces/.exec(stdout)?.[1]), 2)
        assert.match(stdout, /^Model fetches +1$/m)
        assert.match(stdout, /^Processes left +0$/m)
        assert.deepStrictEqual(yield* Effect.promise(() => command.processesBelow(root)), [])
        assert.isFalse(yield* Effect.promise(() => command.isOpen(command.portOf(stdout))))
      }),
    limit
  )

  it.live(
    "continues a conversation after a restart, in the same OpenCode session",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const prompts = "The word is saffron.\n\nGood.\n"
        const first = yield* command.run({ root, stdin: prompts }, "dev", "--demo")
        assert.strictEqual(first.code, 0, first.stderr)
        assert.match(first.stdout, /^Answers +2 of 2 complete/m)
        const session = sessionOf(first.stdout)

        const second = yield* command.run({ root }, "dev", "--demo", "--session", session, "--prompt", "Which word?")
        assert.strictEqual(second.code, 0, second.stderr)
        assert.match(second.stdout, /prompt number 3 of this conversation, which began with "The word is saffron\."/)

        const listed = yield* command.run({ root }, "sessions", "ls", "--demo")
        assert.strictEqual(listed.code, 0, listed.stderr)
        assert.match(listed.stdout, new RegExp(`^${session.slice(0, 6)} .* idle +The word is saffron\\.$`, "m"))
        assert.strictEqual(listed.stdout.trim().split("\n").length, 2)
      }),
    limit
  )

  for (const [signal, exitCode] of [
    ["SIGINT", 130],
    ["SIGTERM", 130],
    ["SIGHUP", 130]
  ] as const) {
    it.live(
      `${signal} in the middle of an answer leaves no process and no port behind`,
      () =>
        Effect.gen(function* () {
          const root = yield* command.home
          const running = yield* command.start({ root }, "dev", "--demo", "--prompt", "Hello")
          yield* Effect.promise(() => running.prints(/I am the offline model/))
          running.kill(signal)
          const { code, stderr, stdout } = yield* Effect.promise(() => running.ended)
          assert.strictEqual(code, exitCode, stderr)
          assert.strictEqual(stderr, "")
          assert.deepStrictEqual(yield* Effect.promise(() => command.processesBelow(root)), [])
          assert.isFalse(yield* Effect.promise(() => command.isOpen(command.portOf(stdout))))
        }),
      limit
    )
  }

  it.live(
    "recovers after a kill: the turn is interrupted with its text, and the conversation continues",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const killed = yield* command.start({ root }, "dev", "--demo", "--prompt", "Hello")
        yield* Effect.promise(() => killed.prints(/I am the offline model/))
        const session = sessionOf(killed.stdout())
        killed.kill("SIGKILL")
        yield* Effect.promise(() => killed.ended)
        yield* command.untilEnded(root)

        const next = yield* command.run({ root }, "dev", "--demo", "--session", session, "--prompt", "Still there?")
        assert.strictEqual(next.code, 0, next.stderr)
        assert.match(next.stdout, /prompt number 2 of this conversation, which began with "Hello"/)

        const shown = yield* command.run({ root }, "sessions", "show", session, "--demo")
        const [, first, second] = shown.stdout.split("> ")
        assert.match(first ?? "", /^Hello\nI am the offline model.*\ninterrupted: /s)
        assert.match(second ?? "", /^Still there\?\nI am the offline model/)
      }),
    limit
  )

  it.live(
    "reads one prompt from a file, and one per line of standard input; a refused prompt fails alone",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const text = "First line\n\n\tsecond line"
        const file = yield* command.run({ root, stdin: `${text}\r\n` }, "dev", "--demo", "--prompt-file", "-")
        assert.strictEqual(file.code, 0, file.stderr)
        assert.include(file.stdout, `> ${text}\n`)
        assert.match(file.stdout, /^Answers +1 of 1 complete/m)

        const stdin = `One\n${"x".repeat(200_001)}\nThree\n`
        const lines = yield* command.run({ root, stdin }, "dev", "--demo")
        assert.strictEqual(lines.code, 2, lines.stderr)
        assert.match(lines.stdout, /^not sent: text has 200001 characters; it takes 1 to 200000\.$/m)
        assert.match(lines.stdout, /^Answers +2 of 2 complete/m)
        assert.match(lines.stderr, /1 of 3 prompts were not answered/)
      }),
    limit
  )
})
