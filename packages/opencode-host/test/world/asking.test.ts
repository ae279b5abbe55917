/** Attacks on the questions of a host, on one boot of OpenCode. */
import { describe, layer } from "@effect/vitest"
import { askingHost } from "../security/askingHost.ts"
import { callIdsTests } from "../security/callIds.ts"
import { grantsTests } from "../security/grants.ts"
import { pathsTests } from "../security/paths.ts"
import { shells, shellTests } from "../security/shell.ts"
import { toolsTests } from "../security/tools.ts"

const [firstShell, ...otherShells] = shells
if (firstShell === undefined) throw new Error("There is no shell.")

const tool = (proof: string) =>
  `{ description: "it", args: {}, execute: async () => { (await import("node:fs")).writeFileSync(${JSON.stringify(proof)}, ""); return "made" } }`

const settings = { timeout: 120_000, excludeTestServices: true }

const host = askingHost(
  (proof) => ({
    "tool/deploy.js": `export default ${tool(proof("deploy"))}`,
    "tool/todowrite.js": `export default ${tool(proof("todowrite"))}`,
    "plugin/own.js": `export const Own = async () => ({ tool: { shipped: ${tool(proof("shipped"))} } })`
  }),
  { user: { shell: firstShell.path } }
)

layer(host, settings)("with alwaysAsk", (it) => {
  for (const tests of [toolsTests, pathsTests(true), shellTests(firstShell), grantsTests, callIdsTests]) tests(it)
})

describe.runIf(process.env["TEST_FULL"] !== undefined)("in pnpm test:full", () => {
  layer(
    askingHost(() => ({}), { alwaysAsk: false }),
    settings
  )("without alwaysAsk", pathsTests(false))

  for (const shell of otherShells) {
    layer(
      askingHost(() => ({}), { user: { shell: shell.path } }),
      settings
    )(`with alwaysAsk in ${shell.name}`, shellTests(shell))
  }
})
