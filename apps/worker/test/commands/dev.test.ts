import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as command from "../support/command.ts"

const sessionOf = (said: string): string => /^session +(\S+)/m.exec(said)?.[1] ?? "none"
const limit = { timeout: 180_000 }

describe("opencode-worker dev", () => {
  it.live(
    "streams the answer, runs a real tool, has no effect from a second chat in the directory, and leaves no process behind",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const running = yield* command.start({ root }, "dev", "--demo", "--sample-prompt")
        // The tool's output arrives before the answer is complete.
        const streamed = running.prints(/ {2}output .*README\.md/s).then(running.stdout)
        yield* Effect.promise(() => running.prints(/^deployment/m))

        const refused = yield* command.run({ root }, "dev", "--demo")
        assert.strictEqual(refused.code, 75, refused.stderr)
        assert.match(
          refused.stderr,
          new RegExp(`A chat is open in this directory already.*process ${running.pid} at http://127.0.0.1:`)
        )
        assert.notMatch(refused.stderr, /^\s+at /m)
        const listed = yield* command.run({ root }, "sessions", "ls", "--demo")
        assert.strictEqual(listed.code, 0, listed.stderr)
        assert.match(listed.stdout, /^ID .*\n\S+ .*\n$/)

        assert.notInclude(yield* Effect.promise(() => streamed), "Answers")
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
    "reads one prompt per line of standard input, of which a refused one fails alone, recovers after a kill, and reads one from a file",
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

        const killed = yield* command.start({ root }, "dev", "--demo", "--session", session, "--prompt", "Hello")
        // The history before it has the words, too.
        yield* Effect.promise(() => killed.prints(/> Hello\n.*I am the offline model/s))
        killed.kill("SIGKILL")
        yield* Effect.promise(() => killed.ended)
        yield* command.untilEnded(root)

        const text = "Which\n\n\tword?"
        const options = { root, stdin: `${text}\r\n` }
        const next = yield* command.run(options, "dev", "--demo", "--session", session, "--prompt-file", "-")
        assert.strictEqual(next.code, 0, next.stderr)
        assert.include(next.stdout, `> ${text}\n`)
        assert.match(next.stdout, /^Answers +1 of 1 complete/m)
        assert.match(next.stdout, /prompt number 4 of this session, which began with "The word is saffron\."/)

        const shown = yield* command.run({ root }, "sessions", "show", session, "--demo")
        const [cut, last] = shown.stdout.split("> ").slice(-2)
        assert.match(cut ?? "", /^Hello\nI am the offline model.*\ncut short: /s)
        assert.match(last ?? "", /^Which\n\n\tword\?\nI am the offline model/)

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
})
