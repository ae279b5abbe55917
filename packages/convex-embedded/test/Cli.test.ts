import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { anyApi } from "convex/server"
import { assert, describe, it, onTestFinished } from "vitest"
import { readHolder } from "../src/internal/storage/holder.ts"
import { connectHttp, FUNCTIONS, temporaryFolder } from "./deployment.ts"
import { startIssuer } from "./issuer.ts"
import { project } from "./project.ts"

const run = (...args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve("../src/cli.ts")), ...args], {
    stdio: "pipe"
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { child, nextLine: async () => String((await lines.next()).value) }
}

const ended = async (child: ChildProcess): Promise<{ code: number | null; complaint: string }> => {
  let complaint = ""
  child.stderr?.on("data", (text: Buffer) => (complaint += text.toString()))
  const [code] = (await once(child, "close")) as [number | null]
  return { code, complaint }
}

const VALUE = (text: string) => `
  import { query } from "./_generated/server"
  export const get = query(() => "${text}")
`

describe("convex-embedded serve", () => {
  it("serves until a signal, and reloads changed functions", async () => {
    const [dataDir, functions] = [temporaryFolder(), project({ "value.ts": VALUE("old") })]
    const assets = temporaryFolder()
    writeFileSync(join(assets, "index.html"), "a page")
    const served = ["--assets", assets, "--fallback", "/index.html"]
    const { child, nextLine } = run("serve", functions, "--data", dataDir, "--port", "0", "--watch", ...served)
    const [, url = ""] = /at (http\S+)$/.exec(await nextLine()) ?? []
    const client = connectHttp({ url })
    assert.equal(await client.query(anyApi["value"]!["get"]!, {}), "old")
    writeFileSync(join(functions, "value.ts"), VALUE("new"))
    assert.equal(await nextLine(), "Functions reloaded")
    assert.equal(await client.query(anyApi["value"]!["get"]!, {}), "new")
    assert.equal(readHolder(dataDir)?.url, url)
    assert.equal(await (await fetch(`${url}/any/path`, { headers: { accept: "text/html" } })).text(), "a page")
    child.kill("SIGTERM")
    assert.equal((await ended(child)).code, 0)
    assert.isNull(readHolder(dataDir))
  })

  it("fetches keys of issuers with --oidc-discovery", async () => {
    const issuer = await startIssuer()
    const functions = project({
      "auth.config.ts": `export default { providers: [${JSON.stringify(issuer.provider)}] }`,
      "who.ts": `
        import { query } from "./_generated/server"
        export const am = query(async (ctx) => (await ctx.auth.getUserIdentity()).subject)`
    })
    const { child, nextLine } = run("serve", functions, "--data", temporaryFolder(), "--port", "0", "--oidc-discovery")
    const [, url = ""] = /at (http\S+)$/.exec(await nextLine()) ?? []
    const client = connectHttp({ url })
    client.setAuth(await issuer.token())
    assert.equal(await client.query(anyApi["who"]!["am"]!, {}), "ann")
    child.kill("SIGTERM")
    assert.equal((await ended(child)).code, 0)
  })

  it("wrong usage prints one sentence and sets an exit code", async () => {
    const wrong = [
      [["serve", "/nowhere", "--data", temporaryFolder()], 78, /^The functions folder \/nowhere does not exist\.\n$/],
      [["serve", FUNCTIONS, "--data", temporaryFolder(), "--port", "x"], 78, /^The option port must be .*\n$/],
      [["serve"], 2, /^Usage: /],
      [["serve", FUNCTIONS, "--unknown"], 2, /^Unknown option '--unknown'/]
    ] as const
    for (const [args, code, complaint] of wrong) {
      const end = await ended(run(...args).child)
      assert.equal(end.code, code)
      assert.match(end.complaint, complaint)
    }
  })
})
