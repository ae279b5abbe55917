import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { configJsonSchema, parseConfig } from "../../src/config/ConfigFile.ts"
import { resolve } from "../../src/config/resolve.ts"
import { budgetOf } from "../../src/config/budget.ts"
import { directorySettings, durationOf, processSettings } from "../../src/config/settings.ts"
import { flagOf, variableOf } from "../../src/config/Setting.ts"
import { changesOf } from "../../src/running/changesOf.ts"

const refused = (text: string) => Result.getOrElse(Result.flip(parseConfig(text, "c.jsonc")), () => "accepted")

describe("the configuration file", () => {
  it("has comments, trailing commas, and settings for all directories or for one", () => {
    const text = `// for all\n{ "url": "https://a.example", "directories": [{ "directory": "/a", "permissions": "inherit" },], }`
    assert.deepStrictEqual(Result.getOrThrow(parseConfig(text, "c.jsonc")), {
      url: "https://a.example",
      directories: [{ directory: "/a", permissions: "inherit" }]
    })
    assert.deepStrictEqual(Result.getOrThrow(parseConfig("", "c.jsonc")), {})
  })

  it("is refused with line and column, without the value", () => {
    assert.match(refused('{\n  "url": \n}'), /^c\.jsonc:3:1: ValueExpected\.$/)
    assert.match(refused('{\n  "permissions": "hunter2"\n}'), /^c\.jsonc:2:18: permissions: (?!.*hunter2)/)
    assert.match(refused('{ "urls": "x" }'), /^c\.jsonc:1:1\d?: .*urls/)
    assert.match(refused('{ "directories": [{ "url": "x" }] }'), /directories\.0/)
    assert.match(refused('{ "askTimeout": "5s" }'), /askTimeout/)
    assert.match(refused('{ "healthListen": "0.0.0.0:80" }'), /healthListen/)
  })

  it("has a JSON Schema with each setting and its description", () => {
    const schema = JSON.stringify(configJsonSchema())
    for (const [name, { description }] of Object.entries({ ...directorySettings, ...processSettings })) {
      assert.include(schema, `"${name}":`)
      assert.include(schema, JSON.stringify(description))
    }
    assert.include(schema, '"additionalProperties":false')
  })
})

describe("a setting", () => {
  it.each([
    ["2USD", { cost: 2 }],
    ["0.5usd", { cost: 0.5 }],
    ["500000tokens", { tokens: 500_000 }],
    ["2USD,500tokens", { cost: 2, tokens: 500 }],
    ["", undefined],
    ["0USD", undefined],
    ["2", undefined],
    ["2USD500tokens", undefined],
    [",500tokens", undefined]
  ])("has the budget %s as %j", (given, budget) =>
    assert.deepStrictEqual(Option.getOrUndefined(budgetOf(given)), budget)
  )

  const sources = {
    flags: {},
    environment: {},
    file: [
      { origin: "entry", values: { permissions: "inherit" } },
      { origin: "top", values: { permissions: "careful", url: "https://top.example" } }
    ]
  }
  const settings = { url: directorySettings.url, permissions: directorySettings.permissions }

  it("comes from its flag, its variable, its directory, the file, or its default, in this order", () => {
    assert.deepStrictEqual(Result.getOrThrow(resolve(settings, { ...sources, file: [] })), {
      values: { url: undefined, permissions: "careful" },
      origins: { url: "default", permissions: "default" }
    })
    assert.deepStrictEqual(Result.getOrThrow(resolve(settings, sources)), {
      values: { url: "https://top.example", permissions: "inherit" },
      origins: { url: "top", permissions: "entry" }
    })
    const environment = { OPENCODE_WORKER_PERMISSIONS: "careful", OPENCODE_WORKER_URL: "" }
    assert.deepNestedInclude(Result.getOrThrow(resolve(settings, { ...sources, environment })), {
      "values.permissions": "careful",
      "origins.permissions": "OPENCODE_WORKER_PERMISSIONS",
      "origins.url": "top"
    })
    const flags = { permissions: Option.some("inherit") }
    assert.deepNestedInclude(Result.getOrThrow(resolve(settings, { ...sources, environment, flags })), {
      "values.permissions": "inherit",
      "origins.permissions": "--permissions"
    })
  })

  it("is refused as a variable with a value of another type", () => {
    const environment = { OPENCODE_WORKER_PERMISSIONS: "all" }
    assert.match(
      Result.getOrThrow(Result.flip(resolve(settings, { ...sources, environment }))),
      /OPENCODE_WORKER_PERMISSIONS/
    )
  })

  it("has one name in three spellings", () => {
    assert.strictEqual(flagOf("askTimeout"), "ask-timeout")
    assert.strictEqual(variableOf("askTimeout"), "OPENCODE_WORKER_ASK_TIMEOUT")
  })

  it("that is a time has a short and a long form", () => {
    for (const given of ["90m", "1.5h", "90 minutes"]) {
      assert.deepInclude(Option.map(durationOf(given), String), Option.map(durationOf("5400s"), String), given)
    }
    assert.isTrue(Option.isNone(durationOf("soon")))
  })
})

describe("a changed configuration", () => {
  it("stops and starts only the workers whose settings changed", () => {
    const a = { directory: "/a", url: "1" }
    const b = { directory: "/b", url: "1" }
    const running = new Map([a, b].map((one) => [one.directory, JSON.stringify(one)]))
    const changed = { ...b, url: "2" }
    const added = { directory: "/c", url: "1" }
    assert.deepStrictEqual(changesOf(running, [a, b]), { stop: [], start: [] })
    assert.deepStrictEqual(changesOf(running, [a, changed, added]), { stop: ["/b"], start: [changed, added] })
    assert.deepStrictEqual(changesOf(running, [b]), { stop: ["/a"], start: [] })
  })
})
