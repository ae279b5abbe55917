import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Policy } from "../src/index.ts"

const Action = Schema.Literals(["ask", "allow", "deny"])
const Pattern = Schema.Literals(["*", "git *", "git ?ush", "rm -rf *", "*.ts", ""])
const Tool = Schema.Literals(["bash", "edit", "webfetch"])
const Rules = Schema.Array(
  Schema.Struct({ permission: Schema.Literals(["*", "bash", "edit", "web*"]), pattern: Pattern, action: Action })
)
const Request = Schema.Struct({
  permission: Tool,
  patterns: Schema.Array(Schema.Literals(["git status", "git push", "rm -rf /", "src/a.ts"]))
})
const strict = ["deny", "ask", "allow"]

const bash = (command: string) => ({ permission: "bash", patterns: [command] })
const rule = (pattern: string, action: Policy.Action) => ({ permission: "bash", pattern, action })

describe("Policy.decide", () => {
  it.effect.prop("a later rule for everything decides alone", [Rules, Action, Request], ([rules, action, request]) =>
    Effect.sync(() => {
      const all = { permission: "*", pattern: "*", action }
      assert.strictEqual(Policy.decide([...rules, all], request), action)
    })
  )

  it.effect.prop("a request gets the strictest that its patterns get", [Rules, Request], ([rules, request]) =>
    Effect.sync(() => {
      const { permission, patterns } = request
      const each = patterns.map((pattern) => Policy.decide(rules, { permission, patterns: [pattern] }))
      const strictest = strict.find((action) => each.some((one) => one === action))
      if (strictest !== undefined) assert.strictEqual(Policy.decide(rules, request), strictest)
    })
  )

  it.effect.prop("a rule that does not fit changes nothing", [Rules, Request, Action], ([rules, request, action]) =>
    Effect.sync(() => {
      const other = { permission: "task", pattern: "*", action }
      assert.strictEqual(Policy.decide([...rules, other], request), Policy.decide(rules, request))
    })
  )

  it.effect.prop("what is inherited is always asked", [Request], ([request]) =>
    Effect.sync(() => assert.strictEqual(Policy.decide("inherit", request), "ask"))
  )

  it("the last rule that fits decides; what none fits is asked", () => {
    const rules = [rule("git *", "allow"), rule("git push*", "deny")]
    assert.deepStrictEqual(
      ["git status", "git push --force", "ls"].map((command) => Policy.decide(rules, bash(command))),
      ["allow", "deny", "ask"]
    )
  })

  it("a pattern means its characters, and takes no time to fail", () => {
    assert.strictEqual(Policy.decide([rule("a.b (c)", "allow")], bash("axb (c)")), "ask")
    assert.strictEqual(Policy.decide([rule("a.b (c)", "allow")], bash("a.b (c)")), "allow")
    const stars = rule(`${"*a".repeat(50)}*b`, "allow")
    assert.strictEqual(Policy.decide([stars], bash("a".repeat(20_000))), "ask")
  })
})

describe("Policy.configuration", () => {
  it("the careful policy makes OpenCode ask before shell, edits, the web, and files elsewhere", () => {
    assert.deepStrictEqual(Policy.configuration(Policy.careful), {
      bash: "ask",
      edit: "ask",
      webfetch: "ask",
      websearch: "ask",
      external_directory: "ask"
    })
  })

  it("a repeated pattern counts where it was last", () => {
    const rules = [
      { permission: "bash", pattern: "ls", action: "deny" },
      { permission: "bash", pattern: "*", action: "ask" },
      { permission: "bash", pattern: "ls", action: "allow" }
    ] as const
    assert.strictEqual(JSON.stringify(Policy.configuration(rules)), '{"bash":{"*":"ask","ls":"allow"}}')
  })

  it("OpenCode asks where it knows no patterns, so that the policy can decide", () => {
    const rules = [{ permission: "webfetch", pattern: "https://docs.example/*", action: "allow" }] as const
    assert.deepStrictEqual(Policy.configuration(rules), { webfetch: "ask" })
  })

  it("inherit leaves it as it is", () => {
    assert.isUndefined(Policy.configuration("inherit"))
  })
})
