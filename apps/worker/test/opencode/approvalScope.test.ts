import { resolve } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { approvalScope } from "../../src/opencode/approvalScope.ts"
import { type AskedPermission, editedPaths } from "../../src/opencode/askedPermission.ts"

const directory = "/home/me/app"
const base = {
  patterns: [],
  metadata: {},
  call: undefined,
  directory,
  workingDirectory: directory,
  files: []
} satisfies Partial<AskedPermission>

const bash = (
  command: string,
  input: { readonly workdir?: string } & Record<string, unknown> = {}
): AskedPermission => ({
  ...base,
  permission: "bash",
  patterns: [command],
  metadata: { command },
  call: { tool: "bash", input: { command, ...input } },
  workingDirectory: resolve(directory, input.workdir ?? ".")
})
const edit = (...files: ReadonlyArray<string>): AskedPermission => ({ ...base, permission: "edit", files })
const fetched = (url: string): AskedPermission => ({
  ...base,
  permission: "webfetch",
  patterns: [url],
  metadata: { url, format: "text" },
  call: { tool: "webfetch", input: { url, format: "text" } }
})
const external = (...patterns: ReadonlyArray<string>): AskedPermission => ({
  ...base,
  permission: "external_directory",
  patterns
})
const custom = (tool: string, input: Record<string, unknown>): AskedPermission => ({
  ...base,
  permission: tool,
  patterns: ["*"],
  call: { tool, input }
})

const scopeOf = (asked: AskedPermission) => approvalScope(asked)?.scope
const areAlike = (one: AskedPermission, other: AskedPermission) => {
  const scope = scopeOf(one)
  return scope !== undefined && scope === scopeOf(other)
}

const Command = Schema.Literals(["ls", "ls ", " ls", "ls -l", "ls\n", "", "git push", "git push; rm -rf /"])
const Folder = Schema.Literals([directory, "/", "/home/me", ".", "sub"])
const Name = Schema.Literals(["a.ts", "src/b.ts", "../c.ts", ".git/config", "package.json", "src/../../d", "..e"])
const Address = Schema.Literals([
  "https://a.test/x",
  "https://a.test/y",
  "http://a.test/x",
  "https://a.test@b.test/",
  "x"
])
const Path = Schema.Literals(["/a/*", "/a/b/*", "/*", "*"])
const Tool = Schema.Literals(["db_query", "db_exec", "bash", "edit", "webfetch", "external_directory", "read"])
const Input = Schema.Record(Schema.Literals(["a", "b"]), Schema.Union([Command, Schema.Number, Schema.Array(Command)]))
const Any = Schema.Union([
  Schema.Struct({ command: Command, workdir: Folder }),
  Schema.Struct({ names: Schema.Array(Name) }),
  Schema.Struct({ url: Address }),
  Schema.Struct({ paths: Schema.Array(Path) }),
  Schema.Struct({ tool: Tool, input: Input })
])
const made = (any: typeof Any.Type): AskedPermission => {
  if ("command" in any) return bash(any.command, { workdir: any.workdir })
  if ("names" in any) return edit(...any.names.map((name) => resolve(directory, name)))
  if ("url" in any) return fetched(any.url)
  return "paths" in any ? external(...any.paths) : custom(any.tool, any.input)
}
const isInside = (file: string) => file.startsWith(`${directory}/`) && !/\/\.|package\.json/.test(file)
const whereOf = ({ call }: AskedPermission) => {
  const workdir = call?.input["workdir"]
  return resolve(directory, typeof workdir === "string" ? workdir : "")
}
const originOf = ({ metadata }: AskedPermission) => new URL(String(metadata["url"])).origin
const sorted = ({ patterns }: AskedPermission) => JSON.stringify(patterns.toSorted())

/** Whether an approval of `one` may cover `other`, without scopes. */
const mayCover = (one: AskedPermission, other: AskedPermission): boolean => {
  if (one.permission !== other.permission) return false
  switch (one.permission) {
    case "bash":
      return one.metadata["command"] === other.metadata["command"] && whereOf(one) === whereOf(other)
    case "edit":
      return [...one.files, ...other.files].every(isInside)
    case "webfetch":
      return originOf(one) === originOf(other)
    case "external_directory":
      return sorted(one) === sorted(other)
    default:
      return isDeepStrictEqual(one.call, other.call)
  }
}

describe("the scope of an approval", () => {
  it("is, for a command, that command in that directory", () => {
    assert.isTrue(areAlike(bash("ls", { description: "List" }), bash("ls", { timeout: 5, workdir: directory })))
    assert.isFalse(areAlike(bash("ls"), bash("ls", { workdir: "/" })))
    assert.isFalse(areAlike(bash("ls -l /srv"), bash("ls -l '/srv'")))
    assert.strictEqual(approvalScope({ ...bash("ls"), call: undefined }), null)
    assert.strictEqual(approvalScope({ ...bash("ls"), metadata: {} }), null)
    assert.strictEqual(approvalScope({ ...bash("ls"), workingDirectory: undefined }), null)
    assert.isFalse(areAlike(bash("ls"), { ...bash("ls"), workingDirectory: "/the/target/of/a/link" }))
  })

  it("is, for an edit, the worker's directory, without files that affect the agent or later commands", () => {
    assert.isTrue(areAlike(edit(`${directory}/a.ts`), edit(`${directory}/src/b.ts`, `${directory}/c.md`)))
    const refused = [
      "/home/me/app",
      "/home/me/app2/a.ts",
      "/home/me/a.ts",
      "/etc/passwd",
      `${directory}/../b/a.ts`,
      `${directory}/.git/hooks/pre-commit`,
      `${directory}/sub/.GIT/config`,
      `${directory}/.opencode/plugin/a.ts`,
      `${directory}/opencode.json`,
      `${directory}/OpenCode.JSONC`,
      `${directory}/docs/AGENTS.md`,
      `${directory}/CLAUDE.md`,
      `${directory}/package.json`,
      `${directory}/Makefile`,
      `${directory}/.envrc`
    ]
    for (const file of refused) {
      assert.strictEqual(approvalScope(edit(file)), null, file)
      assert.strictEqual(approvalScope(edit(`${directory}/a.ts`, file)), null, file)
    }
    assert.strictEqual(approvalScope(edit()), null)
  })

  it("is, for a page, its origin", () => {
    assert.isTrue(areAlike(fetched("https://a.test/x?y"), fetched("https://a.test:443/z")))
    for (const url of ["http://a.test/x", "https://a.test:8443/", "https://b.test/", "https://a.test.evil.test/"]) {
      assert.isFalse(areAlike(fetched("https://a.test/x"), fetched(url)), url)
    }
    assert.isTrue(areAlike(fetched("https://user@a.test/"), fetched("https://a.test/")))
    assert.isFalse(areAlike(fetched("https://a.test@b.test/"), fetched("https://a.test/")))
    assert.strictEqual(approvalScope(fetched("not an address")), null)
    assert.strictEqual(approvalScope(fetched("file:///etc/passwd")), null)
    assert.strictEqual(approvalScope({ ...fetched("https://a.test/"), patterns: ["https://b.test/"] }), null)
  })

  it("is, for other directories, exactly the requested paths", () => {
    assert.isTrue(areAlike(external("/a/*", "/b/*"), external("/b/*", "/a/*")))
    assert.isFalse(areAlike(external("/a/*"), external("/a/b/*")))
    assert.isFalse(areAlike(external("/a/*"), external("/a/*", "/b/*")))
    assert.strictEqual(approvalScope(external()), null)
  })

  it("is, for any other tool, that tool with the same arguments in any order", () => {
    assert.isTrue(areAlike(custom("db_query", { sql: "x", limit: 1 }), custom("db_query", { limit: 1, sql: "x" })))
    assert.isFalse(areAlike(custom("db_query", { sql: "x" }), custom("db_query", { sql: "y" })))
    assert.isFalse(areAlike(custom("db_query", { sql: "x" }), custom("db_exec", { sql: "x" })))
    assert.strictEqual(approvalScope({ ...custom("db_query", {}), call: undefined }), null)
    const byScript = { ...custom("db_query", {}), call: { tool: "execute", input: { code: "x" } } }
    assert.strictEqual(approvalScope(byScript), null)
  })

  it.effect.prop("never covers more than its label states", [Any, Any], ([one, other]) =>
    Effect.sync(() => {
      if (areAlike(made(one), made(other))) assert.isTrue(mayCover(made(one), made(other)))
    })
  )

  it.effect.prop("covers the same request", [Any], ([one]) =>
    Effect.sync(() => {
      if (approvalScope(made(one)) !== null) assert.isTrue(areAlike(made(one), made(one)))
    })
  )
})

describe("the paths of an edit", () => {
  it("include the destination of each move", () => {
    const files = [
      { filePath: "/home/me/app/a", type: "update" },
      { filePath: "/home/me/app/b", movePath: "/etc/cron.d/b", type: "move" }
    ]
    const paths = editedPaths({ patterns: ["a", "b"], metadata: { filepath: "a, b", files } })
    assert.deepStrictEqual(paths, ["/home/me/app/a", "/home/me/app/b", "/etc/cron.d/b"])
  })

  it("are unknown if a file has no path, or several patterns share one", () => {
    assert.deepStrictEqual(editedPaths({ patterns: ["a"], metadata: { files: [{ type: "add" }] } }), [])
    assert.deepStrictEqual(editedPaths({ patterns: ["a", "b"], metadata: { filepath: "a, b" } }), [])
    assert.deepStrictEqual(editedPaths({ patterns: ["a"], metadata: { filepath: "/home/me/app/a" } }), [
      "/home/me/app/a"
    ])
  })
})
