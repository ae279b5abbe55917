/** Attacks on the question before a tool: tools, sessions and programs that OpenCode would run without one. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { OpenCodeHome, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer, Schema } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import { newSession } from "../support.ts"
import { attempt, model, post } from "./calls.ts"

const limit = { timeout: 240_000 }

/** The server of MCP in the least that OpenCode needs: one tool, `touch`, which makes the file `proof-mcp`. */
const mcpServer = (proof: string) => `
const reply = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n")
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line)
  if (id === undefined) return
  if (method === "initialize") return reply(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "m", version: "1" } })
  if (method === "tools/list") return reply(id, { tools: [{ name: "touch", inputSchema: { type: "object", properties: {} } }] })
  if (method === "tools/call") require("node:fs").writeFileSync(${JSON.stringify(proof)}, "")
  reply(id, { content: [{ type: "text", text: JSON.stringify(params.arguments) }] })
})
`
const tool = (proof: string) =>
  `{ description: "it", args: {}, execute: async () => { (await import("node:fs")).writeFileSync(${JSON.stringify(proof)}, ""); return "made" } }`

/** A user whose configuration allows everything, with tools, a formatter and a language server of their own. */
const hostWith = (files: (proof: (name: string) => string) => Readonly<Record<string, string>>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { config } = yield* ScriptedProvider
      const home = yield* OpenCodeHome.make()
      const { configFile, directory, environment, root } = home
      const proof = (name: string) => join(root, `proof-${name}`)
      const writes = (name: string) => [
        process.execPath,
        "-e",
        `require("fs").writeFileSync(${JSON.stringify(proof(name))}, "")`
      ]
      const own = {
        ...config,
        snapshot: false,
        permission: "allow",
        agent: {
          eager: { mode: "primary", permission: { "*": "allow" }, tools: { bash: true } },
          worker: { mode: "subagent", description: "it", permission: { "*": "allow" } }
        },
        mcp: { files: { type: "local", command: [process.execPath, "-e", mcpServer(proof("mcp"))] } },
        formatter: { own: { command: writes("formatter"), extensions: [".txt"] } },
        lsp: { own: { command: writes("lsp"), extensions: [".txt"] } }
      }
      for (const [path, content] of Object.entries({ "opencode.json": JSON.stringify(own), ...files(proof) })) {
        const file = join(dirname(configFile), path)
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, content)
      }
      writeFileSync(join(directory, ".env"), "KEY=1")
      writeFileSync(join(directory, "note.txt"), "a note")
      return Layer.merge(
        OpenCodeHost.layer({ directory, environment, stateDirectory: join(root, "state"), alwaysAsk: true }),
        Layer.succeed(OpenCodeHome, home)
      )
    })
  ).pipe(Layer.provideMerge(model))

const made = (name: string) => Effect.map(OpenCodeHome, ({ root }) => existsSync(join(root, `proof-${name}`)))

const Created = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ id: Schema.String })))

describe("alwaysAsk", () => {
  it.live(
    "covers every tool, agent and session of a user who allows everything",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHost
        const note = join(directory, "note.txt")

        const mcp = yield* attempt({ tool: "files_touch", args: {} })
        assert.deepStrictEqual([mcp.asked, yield* made("mcp")], [["files_touch"], false])

        symlinkSync("note.txt", join(directory, "link.txt"))
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
      }).pipe(
        Effect.provide(
          hostWith((proof) => ({
            "tool/deploy.js": `export default ${tool(proof("deploy"))}`,
            "tool/todowrite.js": `export default ${tool(proof("todowrite"))}`,
            "plugin/own.js": `export const Own = async () => ({ tool: { shipped: ${tool(proof("shipped"))} } })`
          }))
        )
      ),
    limit
  )

  it.live(
    "refuses prompts when OpenCode does not load its plugin",
    () =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(
          attempt({ tool: "bash", args: { command: "touch it", description: "it" } })
        )
        assert.strictEqual(reason._tag, "StartFailed")
        assert.include(reason.message, "has not loaded the plugin")
      }).pipe(
        Effect.provide(
          hostWith(() => ({
            "plugin/freeze.js": `export const Freeze = async () => ({ config: async (config) => { Object.freeze(config) } })`
          }))
        )
      ),
    limit
  )
})
