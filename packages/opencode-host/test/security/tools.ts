/** Attacks on the question before a tool: tools, sessions and programs that OpenCode would run without one. */
import { existsSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { Effect, Schema } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import { newSession } from "../support.ts"
import type { InAskingWorld } from "./askingHost.ts"
import { attempt, post } from "./calls.ts"

const limit = { timeout: 240_000 }

const made = (name: string) => Effect.map(OpenCodeHome, ({ root }) => existsSync(join(root, `proof-${name}`)))

const Created = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ id: Schema.String })))

/** The first of their world: they start from its files alone. */
export const toolsTests = (it: InAskingWorld) => {
  it.effect(
    "every tool, agent and session of a user who allows everything is covered",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHost
        const note = join(directory, "memo.txt")
        writeFileSync(note, "a note")

        const mcp = yield* attempt({ tool: "files_touch", args: {} })
        assert.deepStrictEqual([mcp.asked, yield* made("mcp")], [["files_touch"], false])

        symlinkSync("memo.txt", join(directory, "link.txt"))
        const shown = yield* attempt({ tool: "files_touch", args: { path: "link.txt" }, answer: "once" })
        assert.deepStrictEqual([shown.result, yield* made("mcp")], ['{"path":"link.txt"}', true])

        // Reading in the directory is not asked; secrets are.
        assert.deepStrictEqual((yield* attempt({ tool: "read", args: { filePath: note } })).asked, [])
        assert.deepStrictEqual((yield* attempt({ tool: "glob", args: { pattern: "*.txt" } })).asked, [])
        assert.deepStrictEqual((yield* attempt({ tool: "grep", args: { pattern: "note" } })).asked, [])
        assert.deepStrictEqual((yield* attempt({ tool: "read", args: { filePath: join(directory, ".env") } })).asked, [
          "read"
        ])
        assert.deepStrictEqual(
          (yield* attempt({ tool: "webfetch", args: { url: "http://127.0.0.1:9/", format: "text" } })).asked,
          ["webfetch"]
        )

        // Tools that would not ask do not run, also under a name of OpenCode's own.
        for (const name of ["deploy", "shipped", "todowrite"]) {
          const custom = yield* attempt({ tool: name, args: { todos: [] } })
          assert.deepStrictEqual([name, custom.asked, yield* made(name)], [name, [], false])
          assert.include(custom.result, "cannot be made to ask", name)
        }

        const agent = yield* attempt({ tool: "bash", args: { command: "touch it", description: "it" }, agent: "eager" })
        assert.deepStrictEqual([agent.asked, existsSync(join(directory, "it"))], [["bash"], false])

        // A session that another client has made, and one that it made by its prompt.
        const free = [{ permission: "*", pattern: "*", action: "allow" }]
        const session = Created((yield* post("/session", { title: "free", permission: free })).text).id
        const args = { command: "touch it", description: "it" }
        const own = yield* attempt({ tool: "bash", args, sessionId: session })
        assert.include(own.result, "this session allows itself *")
        const child = yield* attempt({
          tool: "task",
          args: { description: "it", prompt: JSON.stringify({ tool: "bash", args }), subagent_type: "worker" }
        })
        assert.deepStrictEqual(
          child.requests.map(({ metadata, permission }) => [permission, metadata["command"]]),
          [["bash", "touch it"]]
        )

        // The API of OpenCode's own terminal starts a shell without a tool call.
        yield* post(`/session/${yield* newSession}/shell`, { agent: "build", command: "touch it" })
        yield* post("/pty", { command: "touch", args: ["it"] })
        assert.isFalse(existsSync(join(directory, "it")))

        // An edit that a person allows starts nothing but the edit.
        const edited = yield* attempt({ tool: "write", args: { filePath: note, content: "other" }, answer: "once" })
        assert.deepStrictEqual([edited.asked, yield* made("formatter"), yield* made("lsp")], [["edit"], false, false])
      }),
    limit
  )
}
