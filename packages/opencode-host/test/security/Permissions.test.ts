/** Attacks on the permissions that `alwaysAsk` makes of a configuration, tried with OpenCode's own rule: the last that fits. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { strictPermissions } from "../../src/internal/plugin/permissions.ts"

type Permission = NonNullable<Parameters<typeof strictPermissions>[0]["permission"]>

const expressions = new Map<string, RegExp>()
const matches = (text: string, pattern: string) => {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll("*", ".*")
    .replaceAll("?", ".")
  const known = expressions.get(pattern) ?? new RegExp(`^${source}$`, "s")
  expressions.set(pattern, known)
  return known.test(text)
}
const rulesOf = (permission: Permission | undefined) =>
  Object.entries(typeof permission === "string" ? { "*": permission } : (permission ?? {})).flatMap(([key, value]) =>
    Object.entries(typeof value === "string" ? { "*": value } : value).map(([pattern, action]) => ({
      key,
      pattern,
      action
    }))
  )
const decide = (layers: ReadonlyArray<Permission | undefined>, permission: string, on: string) =>
  layers.flatMap(rulesOf).findLast(({ key, pattern }) => matches(permission, key) && matches(on, pattern))?.action

const Action = Schema.Literals(["allow", "ask", "deny"])
const Pattern = Schema.Literals(["*", "git *", "rm *", "*.env"])
const Name = Schema.Literals(["*", "bash", "edit", "read", "grep", "mcp_*", "mcp_touch", "deploy", "webfetch"])
const Rules = Schema.Union([Action, Schema.Record(Name, Schema.Union([Action, Schema.Record(Pattern, Action)]))])
const Config = Schema.Struct({
  permission: Schema.optionalKey(Rules),
  agent: Schema.Record(
    Schema.Literals(["build", "plan", "own"]),
    Schema.Struct({ permission: Schema.optionalKey(Rules) })
  )
})

const uses = ["bash", "edit", "mcp_touch", "mcp_other", "deploy", "webfetch", "lsp", "external_directory", "unknown"]
const subjects = ["git status", "rm x", "a.env", "anything"]

describe("strict permissions", () => {
  it.prop(
    "allow no agent a tool that is not harmless, and keep what the configuration denies",
    [Config],
    ([config]) => {
      const { agent, permission } = strictPermissions(config)
      for (const name of [...Object.keys(agent), "another"]) {
        const own = agent[name]?.permission
        const before = [config.permission, Object.entries(config.agent).find(([key]) => key === name)?.[1].permission]
        for (const use of uses) {
          for (const subject of subjects) {
            const after = decide([{ "*": "allow" }, permission, own], use, subject)
            assert.notStrictEqual(after, "allow", `${name} ${use} ${subject}`)
            if (use !== "webfetch" && decide(before, use, subject) === "deny") {
              assert.strictEqual(after, "deny", `${name} ${use} ${subject}`)
            }
          }
        }
      }
    },
    120_000
  )

  it("grant OpenCode's built-in agents no more than OpenCode grants them", () => {
    const { agent, permission } = strictPermissions({ permission: "allow" })
    const inAgent = (name: string, use: string) => decide([permission, agent[name]?.permission], use, "a.txt")
    assert.strictEqual(inAgent("build", "read"), "allow")
    assert.strictEqual(inAgent("build", "bash"), "ask")
    assert.strictEqual(decide([strictPermissions({}).agent["plan"]?.permission], "edit", "a.txt"), "deny")
    assert.strictEqual(decide([strictPermissions({}).agent["explore"]?.permission], "edit", "a.txt"), "deny")
    assert.strictEqual(decide([strictPermissions({}).agent["explore"]?.permission], "bash", "ls"), "ask")
  })

  it("ask for secrets where reading is allowed, and deny what is denied after that", () => {
    const { permission } = strictPermissions({ permission: { read: { "*": "allow", "secret/*": "deny" } } })
    const read = (path: string) => decide([permission], "read", path)
    assert.deepStrictEqual(["a.txt", "b/.env", ".env.local", ".env.example", "mcp:files:x", "secret/.env"].map(read), [
      "allow",
      "ask",
      "ask",
      "allow",
      "ask",
      "deny"
    ])
  })
})
