import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { Effect, Layer, Logger, Redacted, References } from "effect"
import { OpenCodeHost, type OpenCodeHostOptions } from "../src/index.ts"
import { quoteFilter } from "../src/internal/redact.ts"

const limit = 120_000
const key = "sk-fake-0123456789"
const withKey = (options: string) => `{\n  // mine\n  "provider": { "own": { "options": ${options} } }\n}\n`
const broken = withKey(`{ "apiKey": "${key}" "timeout": 1 }`)
const wrong = withKey(`"${key}"`)

/** A home whose configuration, the user's or the project's, is `content`. */
const setting = Effect.fnUntraced(function* (whose: "user" | "project", content: string) {
  const { configFile, directory, environment, root } = yield* OpenCodeHome.make({ git: false })
  const file = whose === "user" ? configFile : join(directory, "opencode.json")
  yield* Effect.promise(() => writeFile(file, content))
  return { directory, environment, stateDirectory: join(root, "state"), file }
})

const kept = (lines: ReadonlyArray<string>) => lines.map(quoteFilter()).filter((line) => line !== undefined)

/** The error of listing the sessions, and all log lines until the host is closed, at any level. */
const failing = Effect.fnUntraced(function* (options: OpenCodeHostOptions) {
  const logged: Array<string> = []
  const logger = Logger.make(({ cause, message }) => void logged.push(inspect([message, cause], { depth: 9 })))
  const error = yield* Effect.flip(OpenCodeHost.use(({ client }) => client.sessions.list())).pipe(
    Effect.provide(Layer.fresh(OpenCodeHost.layer(options))),
    Effect.provide([Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All")])
  )
  return {
    error,
    everything: [error.message, JSON.stringify(error), inspect(error, { depth: 9 }), ...logged].join("\n")
  }
})

describe("a configuration that OpenCode cannot use", () => {
  it.live.each([
    {
      name: "a project's that cannot be read",
      whose: "project",
      content: broken,
      says: /CommaExpected at line 3, col/
    },
    { name: "a user's that is wrong", whose: "user", content: wrong, says: /Expected object/ },
    // `pnpm test:full` tries each.
    ...(process.env["TEST_FULL"] === undefined
      ? []
      : ([
          {
            name: "a user's that cannot be read",
            whose: "user",
            content: broken,
            says: /CommaExpected at line 3, column/
          }
        ] as const))
  ] as const)(
    "is named without its keys: $name",
    ({ whose, content, says }) =>
      Effect.gen(function* () {
        const { file, ...options } = yield* setting(whose, content)
        const { error, everything } = yield* failing(options)
        assert.include(error.message, file)
        assert.match(error.message, says)
        assert.notInclude(everything, key)
      }),
    limit
  )

  it("is left out of lines and of a line, and nothing else is", () => {
    const block = [
      "--- JSONC Input ---",
      key,
      "",
      "--- Errors ---",
      "CommaExpected at line 3, column 7",
      key,
      "--- End ---"
    ]
    assert.deepStrictEqual(kept(["before", ...block, "  after"]), [
      "before",
      "CommaExpected at line 3, column 7",
      "  after"
    ])
    assert.deepStrictEqual(kept([`no: "${block.join("\\n")}" at x`, key]), [
      'no: " CommaExpected at line 3, column 7" at x',
      key
    ])
  })
})

describe("the configuration in the environment", () => {
  const content = '{\n  // a comment\n  "username": "username-1",\n}'
  const given = Effect.fnUntraced(function* (variable: string, options: Partial<OpenCodeHostOptions>) {
    const { file: _, environment, ...rest } = yield* setting("user", "{}")
    return { ...rest, environment: { ...environment, OPENCODE_CONFIG_CONTENT: variable }, ...options }
  })

  it.live(
    "reaches OpenCode as it is, comments and all, where nothing is merged into it",
    () =>
      Effect.gen(function* () {
        const options = yield* given(content, {})
        const config = yield* OpenCodeHost.use(({ server }) => server).pipe(
          Effect.flatMap(({ password, url }) =>
            Effect.promise(async () => {
              const authorization = `Basic ${Buffer.from(`opencode:${Redacted.value(password)}`).toString("base64")}`
              return await (await fetch(new URL("/config", url), { headers: { authorization } })).text()
            })
          ),
          Effect.provide(Layer.fresh(OpenCodeHost.layer(options)))
        )
        assert.include(config, '"username":"username-1"')
      }),
    limit
  )

  it.live("is never dropped in silence: what cannot be merged is a failed start that names the variable", () =>
    Effect.gen(function* () {
      for (const more of [{ config: { username: "else" } }, { alwaysAsk: true }]) {
        const { error, everything } = yield* failing(yield* given(content, more))
        assert.strictEqual(error.reason._tag, "StartFailed")
        assert.match(
          error.message,
          /OPENCODE_CONFIG_CONTENT is not a JSON object.*take comments and trailing commas out/
        )
        assert.notInclude(everything, "username-1")
      }
    })
  )
})
