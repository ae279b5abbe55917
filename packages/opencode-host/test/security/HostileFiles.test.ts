import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { changesOf, isHostError, inspectProject, OpenCodeHost } from "../../src/index.ts"
import { filterConfig, makeFilter } from "../../src/internal/projectConfig/filter.ts"
import { parseFrontmatter, unknownValue } from "../../src/internal/projectConfig/frontmatter.ts"
import { parseJsonc } from "../../src/internal/projectConfig/jsonc.ts"
import { templateProblem } from "../../src/internal/projectConfig/template.ts"
import { hosted } from "../support.ts"
import { makeProject } from "./project.ts"

/** A directory of files that goes away again; its neighbour `outside` holds `secret`. */
const folder = (files: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const root = mkdtempSync(join(tmpdir(), "hostile-files-"))
      const directory = join(root, "project")
      for (const [path, content] of Object.entries({ "../outside/secret": "secret", ".git/HEAD": "", ...files })) {
        mkdirSync(dirname(join(directory, path)), { recursive: true })
        writeFileSync(join(directory, path), content)
      }
      return { root, directory, secret: join(root, "outside", "secret"), environment: { HOME: join(root, "home") } }
    }),
    ({ root }) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
  )

const problemOf = Effect.fnUntraced(function* (given: {
  readonly directory: string
  readonly environment: Record<string, string>
}) {
  const error = yield* Effect.flip(inspectProject(given))
  assert.isTrue(isHostError(error))
  assert.strictEqual(error.reason._tag, "ProjectUnusable")
  return error.message
})

describe("a project's opencode.json", () => {
  const cases: ReadonlyArray<readonly [string, (path: string, secret: string) => void, RegExp]> = [
    [
      "that is not JSON",
      (path) => writeFileSync(path, '{ "model": "sk-KEY" "x": 1 }'),
      /opencode\.json: it is not valid JSON/
    ],
    ["that is nested deeply", (path) => writeFileSync(path, "[".repeat(100_000)), /nested deeper than 64 levels/],
    ["that is huge", (path) => writeFileSync(path, " ".repeat(300_000)), /larger than 256 KiB/],
    ["that is a FIFO", (path) => void execFileSync("mkfifo", [path]), /it is not a regular file/],
    ["that is a folder", (path) => mkdirSync(path), /it is not a regular file/],
    ["that links to a device", (path) => symlinkSync("/dev/zero", path), /link to a file outside the project/],
    ["that links outside", (path, secret) => symlinkSync(secret, path), /link to a file outside the project/]
  ]
  it.effect.each(cases)("%s is one error that says so, without its content", ([, write, expected]) =>
    Effect.gen(function* () {
      const { secret, ...given } = yield* folder({})
      write(join(given.directory, "opencode.json"), secret)
      const message = yield* problemOf(given)
      assert.match(message, expected)
      assert.notInclude(message, "KEY")
    })
  )

  it("is parsed in one pass, whatever it is", () => {
    assert.deepStrictEqual(parseJsonc('\uFEFF{ // a\n "b,]": [1, /* , */ 2, ], "c": "\\"//", }'), {
      _tag: "Value",
      value: { "b,]": [1, 2], c: '"//' }
    })
    assert.strictEqual(parseJsonc("/* ".repeat(80_000))._tag, "Value")
    for (const text of ['"'.repeat(99_999), ",".repeat(99_999), "{".repeat(64) + "1"]) {
      assert.strictEqual(parseJsonc(text)._tag, "Invalid", text.slice(0, 10))
    }
  })

  it.effect.prop("that is valid JSON has its own value", [Schema.Json], ([value]) =>
    Effect.sync(() => {
      const text = JSON.stringify(value, null, 1)
      assert.deepStrictEqual(parseJsonc(text), { _tag: "Value", value: JSON.parse(text) })
    })
  )
})

const allowed = [
  "description",
  "prompt",
  "variant",
  "mode",
  "color",
  "hidden",
  "disable",
  "temperature",
  "top_p",
  "steps",
  "maxSteps",
  "model",
  "permission"
]
const filtered = (config: unknown) => {
  const filter = makeFilter("/project")
  filterConfig(filter, "opencode.json", config)
  return filter
}

describe("what is kept of a configuration", () => {
  it.effect.prop(
    "has no key that is not on the list",
    [Schema.Record(Schema.String, Schema.Json), Schema.Json],
    ([config, agent]) =>
      Effect.sync(() => {
        const { kept } = filtered({ ...config, agent: { a: agent } })
        const keys = [...kept.agent.values()].flatMap((fields) => Object.keys(fields))
        assert.isEmpty(keys.filter((key) => !allowed.includes(key)))
      })
  )

  it("is nothing of what runs code or redirects traffic", () => {
    const { ignored, kept } = filtered({
      mcp: {},
      lsp: {},
      formatter: {},
      plugin: [],
      provider: {},
      shell: "/tmp/x",
      share: "auto",
      skills: {},
      experimental: {},
      references: {},
      small_model: "a/b",
      enabled_providers: [],
      tools: { bash: true },
      permission: { read: { "*": "allow" } },
      instructions: ["https://x/y", "~/x", "/etc/passwd", "a/../../x", "{env:X}", "{file:y}", 1]
    })
    assert.deepStrictEqual(
      new Set(ignored.map(({ kind }) => kind)),
      new Set([
        "mcp",
        "lsp",
        "formatter",
        "plugin",
        "provider",
        "shell",
        "share",
        "skills",
        "experimental",
        "references",
        "small_model",
        "enabled_providers",
        "tools",
        "permission",
        "instructions"
      ])
    )
    assert.deepStrictEqual([kept.model, kept.instructions.size, kept.permission.size], [undefined, 0, 0])
  })

  it("of permissions is denials of whole permissions", () => {
    const { ignored, kept } = filtered({
      permission: { webfetch: "deny", bash: { "*": "deny" }, edit: "allow", __proto__: "deny" },
      tools: { write: false, bash: true },
      agent: {
        a: { prompt: "p", tools: { bash: false, edit: true }, permission: { read: "ask" }, options: { x: 1 } },
        "b\u001b]": {}
      }
    })
    assert.deepStrictEqual([...kept.permission], ["webfetch", "edit"])
    assert.deepStrictEqual(kept.agent.get("a"), { prompt: "p", permission: { bash: "deny" } })
    assert.deepStrictEqual([...kept.agent.keys()], ["a"])
    assert.lengthOf(
      ignored.filter(({ kind }) => kind === "agent"),
      4
    )
  })

  it("of agents and commands expands nothing", () => {
    const { ignored, kept } = filtered({
      agent: { a: { prompt: "{file:~/.ssh/id_rsa}" } },
      command: { b: { template: "{env:HOME}" } },
      model: "{env:MODEL}"
    })
    assert.deepStrictEqual([kept.agent.size, kept.command.size], [0, 0])
    assert.lengthOf(ignored, 2)
    // A prompt fails with it, where leaving it out would choose another model.
    assert.strictEqual(kept.model, "{env:MODEL}")
  })

  it("of commands has no shell, and no file outside the project", () => {
    for (const template of [
      "!`id`",
      "x !$1`id`",
      "$1`id`",
      "$ARGUMENTS`id`",
      "!$1",
      "!$ARGUMENTS",
      "!$9`id`",
      "@/etc/passwd",
      "@~/.ssh/id_rsa",
      "@../secret",
      "@$1/../../etc/passwd",
      "a$1@/etc/passwd"
    ]) {
      assert.isDefined(templateProblem("/project", template), template)
    }
    for (const template of [
      "Run `npm test`, then look!",
      "Fix $1 in @src/a.ts",
      "mail me@example.org",
      "$ARGUMENTS",
      "@$1",
      "Use @review"
    ]) {
      assert.isUndefined(templateProblem("/project", template), template)
    }
  })

  it("of Markdown files is their plain values", () => {
    const { body, data } = parseFrontmatter(
      "---\r\ndescription: >-\r\n  two\r\n  lines\r\ntools:\r\n  write: false\r\n  'bash': true # no\r\nmodel: \"a/b\"\r\n__proto__: x\r\nevil: !!js/function x\r\n---\r\n body \r\n"
    )
    assert.strictEqual(body, "body")
    assert.strictEqual(data["description"], "two lines")
    assert.deepStrictEqual({ ...Object(data["tools"]) }, { write: false, bash: true })
    assert.strictEqual(data["model"], "a/b")
    assert.strictEqual(data["evil"], unknownValue)
    assert.deepStrictEqual(parseFrontmatter("no head"), { data: {}, body: "no head" })
  })
})

describe("the folders of a project", () => {
  it.effect("end at the repository, and at the directory where there is none", () =>
    Effect.gen(function* () {
      const mcp = JSON.stringify({ mcp: {} })
      const { directory, environment } = yield* folder({
        "../opencode.json": mcp,
        "opencode.json": mcp,
        "sub/opencode.json": mcp,
        "sub/x": ""
      })
      const files = (at: string) =>
        Effect.map(inspectProject({ directory: at, environment }), ({ ignored }) => ignored.map(({ file }) => file))
      assert.deepStrictEqual(yield* files(join(directory, "sub")), ["opencode.json", "sub/opencode.json"])
      rmSync(join(directory, ".git"), { recursive: true })
      assert.deepStrictEqual(yield* files(join(directory, "sub")), ["opencode.json"])
    })
  )

  it.effect(
    "are not left through links, and a folder of very many files is not read",
    () =>
      Effect.gen(function* () {
        const { directory, environment, root } = yield* folder({ ".opencode/agent/a.md": "A" })
        symlinkSync(join(root, "outside"), join(directory, ".opencode", "agent", "linked"))
        symlinkSync(join(root, "outside", "secret"), join(directory, ".opencode", "agent", "b.md"))
        const first = yield* inspectProject({ directory, environment })
        assert.deepStrictEqual(
          first.ignored.map(({ file, kind }) => `${kind} ${file}`),
          ["agent .opencode/agent/b.md", "agent .opencode/agent/linked"]
        )
        for (let index = 0; index < 5_001; index++) writeFileSync(join(directory, ".opencode", `${index}`), "")
        const { ignored } = yield* inspectProject({ directory, environment })
        assert.deepStrictEqual(
          ignored.map(({ kind }) => kind),
          [".opencode"]
        )
      }),
    120_000
  )

  it.effect("may not hold the user's own configuration", () =>
    Effect.gen(function* () {
      const { directory, environment } = yield* folder({ "custom.json": "{}" })
      const { ignored } = yield* inspectProject({
        directory,
        environment: {
          ...environment,
          OPENCODE_CONFIG: "custom.json",
          OPENCODE_CONFIG_DIR: directory,
          PATH: `${directory}/bin:.:/bin`
        }
      })
      assert.deepStrictEqual(
        ignored.map(({ kind }) => kind),
        ["OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "PATH"]
      )
      const message = yield* problemOf({
        directory,
        environment: { ...environment, XDG_CONFIG_HOME: join(directory, "config") }
      })
      assert.include(message, "it holds OpenCode's own configuration or data")
    })
  )
})

describe("a trusted project", () => {
  it.live(
    "has all effect until its configuration changes, which is an error that names the files",
    () =>
      Effect.gen(function* () {
        const { directory, options, place, root } = yield* makeProject(
          () => {
            throw new Error("no prompt")
          },
          {
            files: {
              "opencode.json": '{ "mcp": {} }',
              ".opencode/tool/a.js": "a",
              ".opencode/.gitignore": "x",
              "code.js": "1"
            }
          }
        )
        const { fingerprint } = yield* inspectProject(options)
        assert.deepStrictEqual(Object.keys(fingerprint), [".opencode/tool/a.js", "opencode.json"])
        const start = hosted(
          { ...options, projectConfig: { trusted: fingerprint } },
          Effect.as(
            OpenCodeHost.use(({ server }) => server),
            "started"
          )
        )

        // Neither of these is a change: OpenCode writes them itself.
        writeFileSync(join(directory, "opencode.json"), '{ "$schema": "x", /* y */ "mcp": {} }')
        writeFileSync(place(".opencode/package.json"), '{ "dependencies": { "@opencode-ai/plugin": "1" } }')
        writeFileSync(place(".opencode/node_modules/x/index.js"), "")
        assert.strictEqual(yield* start, "started")

        writeFileSync(
          place(".opencode/plugin/new.js"),
          `import("node:fs").then((fs) => fs.writeFileSync("${root}/ran", ""))`
        )
        writeFileSync(join(directory, "opencode.json"), '{ "mcp": { "x": {} } }')
        rmSync(place(".opencode/tool/a.js"))
        const error = yield* Effect.flip(start)
        assert.strictEqual(error.reason._tag, "ProjectChanged")
        assert.include(
          error.message,
          ".opencode/plugin/new.js (new), .opencode/tool/a.js (removed), opencode.json (changed)"
        )
        const now = (yield* inspectProject(options)).fingerprint
        assert.lengthOf(changesOf(fingerprint, now), 3)
      }),
    120_000
  )
})
