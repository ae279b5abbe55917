import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Vitest } from "@effect/vitest"
import { OpenCodeHome, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import { OpenCodeHost, type OpenCodeHostOptions } from "../../src/index.ts"
import { model } from "./calls.ts"

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
/**
 * A host that asks. Its user's configuration allows everything, with tools, a formatter and a language server of the user's own. No tool may read
 * `denied`, a link in the directory to a folder beside it.
 */
export const askingHost = (
  files: (proof: (name: string) => string) => Readonly<Record<string, string>>,
  { user = {}, ...options }: Partial<OpenCodeHostOptions> & { readonly user?: Readonly<Record<string, unknown>> } = {}
) =>
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
        ...user,
        snapshot: false,
        permission: { "*": "allow", bash: { "*": "allow", "chmod *": "deny" } },
        agent: {
          eager: { mode: "primary", permission: { "*": "allow" }, tools: { bash: true } },
          general: { permission: { bash: "allow" } },
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
      writeFileSync(join(directory, "opencode.json"), JSON.stringify({ permission: { bash: { "echo *": "allow" } } }))
      writeFileSync(join(directory, ".env"), "KEY=1")
      mkdirSync(join(root, "denied"))
      symlinkSync(join(root, "denied"), join(directory, "denied"))
      const stateDirectory = join(root, "state")
      const deniedPaths = [join(directory, "denied")]
      return Layer.merge(
        OpenCodeHost.layer({ directory, environment, stateDirectory, deniedPaths, alwaysAsk: true, ...options }),
        Layer.succeed(OpenCodeHome, home)
      )
    })
  ).pipe(Layer.provideMerge(model))

/** The methods of tests that share one host that asks. */
export type InAskingWorld = Vitest.MethodsNonLive<OpenCodeHost | OpenCodeHome | ScriptedProvider>
