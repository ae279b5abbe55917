import { resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type { AskedPermission } from "../../src/opencode/askedPermission.ts"
import { permissionCard, questionCard } from "../../src/opencode/requestCard.ts"

const askedBy = [{ agent: "build", task: null }]
const asked = (change: Partial<AskedPermission>): AskedPermission => ({
  permission: "bash",
  patterns: [],
  metadata: {},
  call: undefined,
  directory: "/work",
  workingDirectory: "/work",
  files: [],
  ...change
})
const sectionsOf = (change: Partial<AskedPermission>) => {
  const { content } = permissionCard(asked(change), { askedBy })
  return content.kind === "permission" ? content.sections.map(({ name, text }) => [name, text]) : []
}
const bash = (command: string, workdir?: string) => ({
  metadata: { command },
  call: { tool: "bash", input: { command, ...(workdir !== undefined && { workdir }) } },
  workingDirectory: resolve("/work", workdir ?? ".")
})

const subjectOf = (command: string) => permissionCard(asked(bash(command)), { askedBy }).subject

describe("the card of a permission", () => {
  it("shows each line of a command as the model wrote it", () => {
    for (const command of ["true\nrm -rf build", "\n\n  ls  \n", `a${"\n".repeat(5_000)}b`, "x".repeat(50_000)]) {
      assert.deepStrictEqual(sectionsOf(bash(command)), [["command", command]])
    }
  })

  it("has one line for lists, with marks for line breaks and truncation", () => {
    assert.strictEqual(subjectOf("ls\n  rm -rf build"), "bash: ls ⏎ rm -rf build")
    const long = subjectOf(`${"x".repeat(493)}😀${"x".repeat(100)}`)
    assert.strictEqual(long.length, 500)
    assert.isTrue(long.isWellFormed())
    assert.match(long, /…$/)
  })

  it("contains the working directory of the command", () => {
    assert.strictEqual(permissionCard(asked(bash("ls")), { askedBy }).directory, "/work")
    assert.strictEqual(permissionCard(asked(bash("ls", "../other")), { askedBy }).directory, "/other")
  })

  it("shows the arguments of a tool without its own view, or the request if there is no call", () => {
    const call = { tool: "db_query", input: { sql: "drop table x" } }
    assert.deepStrictEqual(sectionsOf({ permission: "db_query", patterns: ["*"], call }), [
      ["arguments of db_query", JSON.stringify(call.input, undefined, 2)]
    ])
    const [section] = sectionsOf({ permission: "doom_loop", patterns: ["bash"], metadata: { tool: "bash" } })
    assert.deepStrictEqual(section, [
      "request",
      JSON.stringify({ patterns: ["bash"], metadata: { tool: "bash" } }, undefined, 2)
    ])
  })
})

describe("a tool of an MCP server", () => {
  // OpenCode requests each with the pattern "*" and no metadata: anomalyco/opencode#19549, #12801, #4854.
  it.each([
    ["nextcloud_nc_webdav_delete_resource", { path: "/Documents" }],
    ["outlook_calendar_meeting", { operation: "delete", meetingId: "AAMk" }],
    ["unity_get_console_logs", {}]
  ])("%s is requested by its name, with its arguments", (tool, input) => {
    const card = permissionCard(asked({ permission: tool, patterns: ["*"], call: { tool, input } }), { askedBy })
    assert.strictEqual(card.subject, `${tool}: ${JSON.stringify(input)}`)
    assert.deepStrictEqual(sectionsOf({ permission: tool, patterns: ["*"], call: { tool, input } }), [
      [`arguments of ${tool}`, JSON.stringify(input, undefined, 2)]
    ])
    assert.include(card.always?.label, tool)
  })
})

describe("the card of a question", () => {
  it("contains the descriptions of the options, and OpenCode's defaults", () => {
    const options = [{ label: "A", description: "the first" }]
    const { always, content } = questionCard(
      { questions: [{ question: "Which?", header: "Pick", options }] },
      { askedBy, directory: "/work" }
    )
    assert.strictEqual(always, null)
    assert.deepStrictEqual(content, {
      kind: "question",
      questions: [{ question: "Which?", header: "Pick", options, multiple: false, custom: true }]
    })
  })
})
