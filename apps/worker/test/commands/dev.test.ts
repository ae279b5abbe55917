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
    "reads one prompt per line of standard input, of which a refused one fails alone, and one from a file after a restart",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const stdin = `The word is saffron.\n\n${"x".repeat(200_001)}\nGood.\n`
        const first = yield* command.run({ root, stdin }, "dev", "--demo")
        assert.strictEqual(first.code, 2, first.stderr)
        assert.match(first.stdout, /^not sent: text has 200001 characters; it takes 1 to 200000\.$/m)
        assert.match(first.stdout, /^Answers +2 of 2 complete/m)
        assert.match(first.stderr, /1 of 3 prompts were not answered/)
        const session = sessionOf(first.stdout)

        const text = "Which\n\n\tword?"
        const options = { root, stdin: `${text}\r\n` }
        const second = yield* command.run(options, "dev", "--demo", "--session", session, "--prompt-file", "-")
        assert.strictEqual(second.code, 0, second.stderr)
        assert.include(second.stdout, `> ${text}\n`)
        assert.match(second.stdout, /^Answers +1 of 1 complete/m)
        assert.match(second.stdout, /prompt number 3 of this session, which began with "The word is saffron\."/)

        const listed = yield* command.run({ root }, "sessions", "ls", "--demo")
        assert.strictEqual(listed.code, 0, listed.stderr)
        assert.match(listed.stdout, new RegExp(`^${session.slice(0, 6)} .* idle +The word is saffron\\.$`, "m"))
        assert.strictEqual(listed.stdout.trim().split("\n").length, 2)
      }),
    limit
  )

  // `pnpm test:full` sends each signal. Ctrl-C at a terminal and SIGTERM to `start` have tests of their own.
  const signals = ["SIGHUP", "SIGINT", "SIGTERM"] as const
  for (const signal of process.env["TEST_FULL"] === undefined ? signals.slice(0, 1) : signals) {
    it.live(
      `${signal} in the middle of an answer leaves no process and no port behind`,
      () =>
        Effect.gen(function* () {
          const root = yield* command.home
          const running = yield* command.start({ root }, "dev", "--demo", "--prompt", "Hello")
          yield* Effect.promise(() => running.prints(/I am the offline model/))
          running.kill(signal)
          const { code, stderr, stdout } = yield* Effect.promise(() => running.ended)
          assert.strictEqual(code, 130, stderr)
          assert.strictEqual(stderr, "")
          assert.deepStrictEqual(yield* Effect.promise(() => command.processesBelow(root)), [])
          assert.isFalse(yield* Effect.promise(() => command.isOpen(command.portOf(stdout))))
        }),
      limit
    )
  }

  it.live(
    "recovers after a kill: the turn is interrupted with its text, and the session continues",
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
        assert.match(next.stdout, /prompt number 2 of this session, which began with "Hello"/)

        const shown = yield* command.run({ root }, "sessions", "show", session, "--demo")
        const [, first, second] = shown.stdout.split("> ")
        assert.match(first ?? "", /^Hello\nI am the offline model.*\ncut short: /s)
        assert.match(second ?? "", /^Still there\?\nI am the offline model/)
      }),
    limit
  )
})
