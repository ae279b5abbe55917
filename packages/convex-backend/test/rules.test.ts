/** Rules that hold for every function there is, and for those to come. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { build, type BuildOptions } from "esbuild"
import { assert, describe, it } from "vitest"
import { functionsDir } from "../src/index.ts"
import { publicFunctions } from "./support/functions.ts"

const modules = readdirSync(functionsDir).filter((name) => name.endsWith(".ts"))
const sources = modules.map((name) => ({ name, source: readFileSync(join(functionsDir, name), "utf8") }))

/** As Convex bundles for its own runtime, where Node's modules do not exist. */
const bundle = (input: Pick<BuildOptions, "entryPoints" | "stdin">) =>
  build({
    ...input,
    outdir: "out",
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    conditions: ["convex", "module"],
    logLevel: "silent"
  })

describe("every public function", async () => {
  const functions = await publicFunctions()

  it("is created by a builder that declares its callers", () => {
    assert.isAbove(functions.length, 20)
    for (const { path, caller } of functions) assert.include(["operator", "worker", "anonymous"], caller, path)
  })

  it("of an operator declares its scope: queries can be called by every device, and answers by approvers", () => {
    for (const { caller, kind, path, scope } of functions) {
      if (caller !== "operator") assert.isUndefined(scope, path)
      // Addresses of targets may contain a token in their path.
      else if (kind === "query") assert.strictEqual(scope, path === "notifications:list" ? "operate" : "read", path)
      else assert.include(["read", "approve", "operate"], scope, path)
    }
    const mutations = functions.filter(({ caller, kind }) => caller === "operator" && kind !== "query")
    const pathsOf = (wanted: string) => mutations.filter(({ scope }) => scope === wanted).map(({ path }) => path)
    assert.sameMembers(pathsOf("read"), [
      "sessions:watch",
      "inbox:markRead",
      "devices:leave",
      "pushSubscriptions:key",
      "pushSubscriptions:subscribe",
      "pushSubscriptions:unsubscribe"
    ])
    assert.sameMembers(pathsOf("approve"), ["requests:answer", "approvals:revoke", "inbox:pin", "inbox:archive"])
  })

  it("requires a caller, except for pairing", () => {
    const open = functions.filter(({ caller }) => caller === "anonymous").map(({ path }) => path)
    assert.sameMembers(open, ["pairing:begin", "pairing:status", "devices:claim", "tokens:issue"])
  })

  it("of a worker takes its credentials, and the epoch unless it precedes the lease", () => {
    // One acquires the lease; the other only reads whose the worker is, before the worker decides to take work.
    const leaseless = ["lease:acquire", "pairing:owner"]
    for (const { path, args } of functions.filter(({ caller }) => caller === "worker")) {
      assert.includeMembers(args, ["workerId", "secret"], path)
      assert.strictEqual(args.includes("epoch"), !leaseless.includes(path), path)
    }
  })
})

describe("every module", () => {
  it("uses Convex's own builders in builders.ts only", () => {
    for (const { name, source } of sources.filter((module) => module.name !== "builders.ts")) {
      const imported = source.match(/import \{[^}]*\} from "(?:\.\/_generated\/server\.ts|convex\/server)"/g) ?? []
      assert.notMatch(imported.join("\n"), /\b(?:query|mutation|action|httpAction)(?:Generic)?\b/, name)
    }
  })

  it("bounds every read", () => {
    for (const { name, source } of sources) assert.notMatch(source, /\.collect\(|for await/, name)
  })

  it("bundles for Convex's runtime", async () => {
    const { errors, outputFiles } = await bundle({ entryPoints: modules.map((name) => join(functionsDir, name)) })
    assert.deepStrictEqual(errors, [])
    assert.lengthOf(outputFiles, modules.length)
  })

  it("a module that uses Node would not bundle", async () => {
    const contents = `import { readFileSync } from "node:fs"; export const read = readFileSync`
    const failure = await bundle({ stdin: { contents, resolveDir: functionsDir } }).then(
      () => undefined,
      (cause: unknown) => cause
    )
    assert.match(String(failure), /node:fs/)
  })
})
