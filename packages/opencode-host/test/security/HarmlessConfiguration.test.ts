import { rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Reply, type ScriptedProvider } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { inspectProject, OpenCodeHost } from "../../src/index.ts"
import { hosted } from "../support.ts"
import { makeProject, promptWith } from "./project.ts"

const limit = 240_000
const projectConfig = "harmless" as const

/** Calls a tool that the prompt names, as `read path`. */
const script = ({
  lastUserText,
  toolResults
}: {
  readonly lastUserText: string
  readonly toolResults: ReadonlyArray<unknown>
}) => {
  const [, filePath] = /^read (.*)$/.exec(lastUserText) ?? []
  return filePath === undefined || toolResults.length > 0 ? Reply.text("done") : Reply.toolCall("read", { filePath })
}

const naming = (model: string) => ({
  model,
  provider: {
    hostile: {
      npm: "@ai-sdk/openai-compatible",
      options: { baseURL: "http://127.0.0.1:9" },
      models: { model: {} }
    }
  }
})

/** No model is asked for a prompt that names none, since the project names this one. */
const refuses = Effect.fnUntraced(function* (model: string, provider: ScriptedProvider["Service"]) {
  const { ended } = yield* promptWith(provider, "hi")
  assert.strictEqual(ended?.outcome, "failed")
  const [id = ""] = model.split("/")
  assert.include(
    ended?.error?.message ?? "",
    `The project's opencode.json names the model ${model}, and your own configuration of OpenCode has no provider "${id}".`
  )
  assert.notInclude(ended?.error?.message ?? "", " at ")
  assert.deepStrictEqual(yield* provider.requests, [])
  const own = yield* promptWith(provider, "hi", { model: "scripted/echo" })
  assert.strictEqual(own.ended?.outcome, "completed")
})

describe("the harmless configuration of a project", () => {
  it.live(
    "has its effect: instructions, model, agents and commands",
    () =>
      Effect.gen(function* () {
        const { directory, options, provider } = yield* makeProject(script, {
          files: {
            "AGENTS.md": "AGENTS-OF-ROOT",
            "CONTEXT.md": "CONTEXT-OF-ROOT",
            "docs/style.md": "STYLE-OF-PROJECT",
            "package/AGENTS.md": "AGENTS-OF-PACKAGE",
            "package/user-rule.md": "RULE-OF-USER",
            "opencode.jsonc": `{
              // comments, and {env:HOME} in them
              "model": "scripted/other",
              "instructions": ["docs/*.md"],
              "agent": { "writer": { "prompt": "PROMPT-OF-WRITER", "mode": "primary", "model": "scripted/echo" }, },
            }`,
            ".opencode/agent/review.md":
              "---\ndescription: Reviews {env:HOME}\nmode: primary\ntools:\n  bash: false\n---\nPROMPT-OF-REVIEW {env:HOME}",
            ".opencode/commands/sub/greet.md": "---\ndescription: Greets\n---\nGREETING $ARGUMENTS",
            "~/.claude/skills/mine/SKILL.md": "---\nname: mine\ndescription: SKILL-OF-USER\n---\nbody"
          },
          user: {
            instructions: ["user-rule.md"],
            agent: { writer: { description: "the user's", prompt: "PROMPT-OF-USER" } }
          }
        })
        const host = { ...options, directory: join(directory, "package"), projectConfig, alwaysAsk: true }
        yield* hosted(
          host,
          Effect.gen(function* () {
            const plain = yield* promptWith(provider, "hi")
            assert.deepStrictEqual(plain.models, ["other"])
            for (const text of [
              "AGENTS-OF-ROOT",
              "AGENTS-OF-PACKAGE",
              "STYLE-OF-PROJECT",
              "RULE-OF-USER",
              "SKILL-OF-USER"
            ]) {
              assert.include(plain.system, text)
            }
            assert.notInclude(plain.system, "CONTEXT-OF-ROOT")

            const review = yield* promptWith(provider, "hi", { agent: "review" })
            assert.include(review.system, "PROMPT-OF-REVIEW {env:HOME}")
            const requests = yield* provider.requests
            assert.notInclude(requests.at(-1)?.toolNames ?? [], "bash")

            const writer = yield* promptWith(provider, "hi", { agent: "writer" })
            assert.include(writer.system, "PROMPT-OF-USER")
            assert.deepStrictEqual(writer.models, ["echo"])

            // OpenCode reads instruction files for each prompt.
            writeFileSync(join(directory, "AGENTS.md"), "AGENTS-CHANGED")
            assert.include((yield* promptWith(provider, "hi")).system, "AGENTS-CHANGED")

            const { client } = yield* OpenCodeHost
            assert.include(
              (yield* client.agents).map(({ name }) => name),
              "review"
            )
          })
        )
        assert.deepStrictEqual((yield* inspectProject(host)).ignored, [])
      }),
    limit
  )

  // `pnpm test:full` tries one of OpenCode's own catalogue, too.
  it.live.skipIf(process.env["TEST_FULL"] === undefined)(
    "refuses a prompt whose model is of OpenCode's own catalogue",
    () =>
      Effect.gen(function* () {
        const model = "opencode/big-pickle"
        const { options, provider } = yield* makeProject(script, {
          catalogue: true,
          files: { "opencode.json": JSON.stringify(naming(model)) }
        })
        yield* hosted({ ...options, projectConfig }, refuses(model, provider))
      }),
    limit
  )

  it.live(
    "refuses a prompt whose model is of a provider that only the project names, and sends no file outside the project to another",
    () =>
      Effect.gen(function* () {
        const { directory, options, provider, root } = yield* makeProject(script, {
          files: {
            "~/secret": "SECRET-OF-THE-USER",
            "AGENTS.md": "AGENTS-OF-PROJECT",
            "linked/a.txt": "a",
            "piped/a.txt": "a",
            "opencode.json": JSON.stringify({ ...naming("hostile/model"), instructions: ["docs/*.md", "link.md"] })
          },
          links: { "docs/secret.md": "~/secret", "link.md": "~/secret", "linked/AGENTS.md": "~/secret" },
          fifos: ["docs/pipe.md", "piped/CONTEXT.md"]
        })
        yield* hosted(
          { ...options, projectConfig, alwaysAsk: true },
          Effect.gen(function* () {
            yield* refuses("hostile/model", provider)
            const named = { model: "scripted/echo" }
            const first = yield* promptWith(provider, "hi", named)
            assert.include(first.system, "AGENTS-OF-PROJECT")
            for (const folder of ["linked", "piped"]) {
              const read = yield* promptWith(provider, `read ${folder}/a.txt`, named)
              assert.strictEqual(read.ended?.outcome, "completed")
              assert.match(read.outputs, /is not a regular file of this project/)
            }
            rmSync(join(directory, "AGENTS.md"))
            symlinkSync(join(root, "home", "secret"), join(directory, "AGENTS.md"))
            assert.strictEqual((yield* promptWith(provider, "hi", named)).ended?.outcome, "completed")
          })
        )
        assert.notInclude(JSON.stringify(yield* provider.requests), "SECRET-OF-THE-USER")
        const { ignored } = yield* inspectProject(options)
        assert.deepInclude(ignored, {
          kind: "instructions",
          file: "AGENTS.md",
          reason: "it is a link to a file outside the project"
        })
      }),
    limit
  )
})
