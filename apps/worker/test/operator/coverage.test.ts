/** `docs/operator-functions.md` has a row for every function that an operator can call, and each row is true. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { makeClient } from "@opencode-worker/client"
import { functionsDir } from "@opencode-worker/convex-backend"
import { getFunctionName } from "convex/server"
import { assert, describe, it } from "vitest"

type Connection = Parameters<typeof makeClient>[0]

const root = join(import.meta.dirname, "../../../..")
const folders: Readonly<Record<string, string>> = {
  backend: "packages/convex-backend/test",
  client: "packages/client/test",
  worker: "apps/worker/test"
}

interface Row {
  readonly name: string
  readonly scope: string
  readonly methods: ReadonlyArray<string>
  /** Or the reason why there is none, in brackets. */
  readonly command: string
  readonly throughClient: ReadonlyArray<string>
  readonly direct: ReadonlyArray<string>
}

const listed = (cell: string): ReadonlyArray<string> => cell.replaceAll("`", "").split(", ")

const rows = readFileSync(join(root, "docs/operator-functions.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line): Row => {
    const [name = "", scope = "", methods = "", command = "", throughClient = "", direct = ""] = line
      .slice(2, -2)
      .split(" | ")
      .map((cell) => cell.trim())
    return {
      name: name.replaceAll("`", ""),
      scope,
      methods: listed(methods),
      command: command.replaceAll("`", ""),
      throughClient: listed(throughClient),
      direct: listed(direct)
    }
  })

const modules = await Promise.all(
  readdirSync(functionsDir)
    .filter((file) => file.endsWith(".ts"))
    .map(async (file): Promise<[string, Record<string, unknown>]> => [
      file.slice(0, -3),
      await import(join(functionsDir, file))
    ])
)

/** Functions that an operator can call, with their scopes. */
const functions = modules.flatMap(([module, exported]) =>
  Object.entries(exported).flatMap(([name, value]) =>
    typeof value === "function" && "callableBy" in value && value.callableBy === "operator" && "scope" in value
      ? [[`${module}.${name}`, String(value.scope)] as const]
      : []
  )
)

/** Methods that call a function only after a result of another one. */
const later: Readonly<Record<string, ReadonlyArray<string>>> = {
  "requests.pending": ["turns.follow"],
  "queries.get": ["queries.findFiles"],
  "queries.close": ["queries.findFiles"]
}

/** The functions that each method of the client calls first. */
const calledBy = async (): Promise<ReadonlyMap<string, ReadonlySet<string>>> => {
  const called = new Map<string, Set<string>>()
  let method = ""
  const record = (reference: Parameters<typeof getFunctionName>[0]) => {
    const name = getFunctionName(reference).replace(":", ".")
    called.set(name, (called.get(name) ?? new Set()).add(method))
    return new Promise<never>(() => undefined)
  }
  const recorder: Connection = {
    query: record,
    mutation: record,
    action: record,
    subscribe: (reference) => {
      void record(reference)
      return () => undefined
    },
    [Symbol.asyncDispose]: () => Promise.resolve()
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the recorder ignores arguments
  const id = "id" as never
  const each = async (group: object, prefix: string): Promise<void> => {
    for (const [name, member] of Object.entries(group)) {
      if (typeof member === "object") await each(member, `${name}.`)
      if (typeof member !== "function") continue
      method = `${prefix}${name}`
      const result: unknown = member(id, id)
      if (typeof result === "object" && result !== null && Symbol.asyncIterator in result) {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is iterable
        void (result as AsyncIterable<unknown>)[Symbol.asyncIterator]().next()
      }
      // A method may await something before its call.
      for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    }
  }
  await each(makeClient(recorder), "")
  for (const [name, methods] of Object.entries(later)) {
    called.set(name, new Set([...(called.get(name) ?? []), ...methods]))
  }
  return called
}

const sourceOf = (file: string): string => {
  const [folder = "", ...path] = file.split("/")
  const whole = join(root, folders[folder] ?? "", ...path)
  assert.isTrue(existsSync(whole), `${file} does not exist`)
  return readFileSync(whole, "utf8")
}

const literal = (text: string) => text.replaceAll(".", String.raw`\.`)
const words = (command: string) => command.split(" ").filter((word) => !word.startsWith("--"))

/** Whether a test calls one of the methods, as `client.turns.send` or `({ turns }) => turns.send`, or runs the command. */
const calls = ({ command, methods }: Row, source: string): boolean =>
  methods.some((method) =>
    new RegExp(method.includes(".") ? String.raw`(?<!api\.)\b${literal(method)}\b` : String.raw`\.${method}\(`).test(
      source
    )
  ) ||
  (!command.startsWith("(") &&
    source.includes(
      words(command)
        .map((word) => `"${word}"`)
        .join(", ")
    ))

describe("docs/operator-functions.md", () => {
  it("has a row for each function that an operator can call, with its scope", () => {
    assert.sameDeepMembers(
      rows.map(({ name, scope }) => [name, scope]),
      functions.map(([name, scope]) => [name, scope])
    )
  })

  it("names the methods of the client that call it, and no others", async () => {
    const called = await calledBy()
    for (const { methods, name } of rows) assert.sameMembers([...methods], [...(called.get(name) ?? [])], name)
  })

  it("names commands that exist, or a reason why there is none", () => {
    const folder = join(root, "apps/worker/src/commands")
    const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(folder, file), "utf8"))
      .join("\n")
    for (const { command } of rows) {
      if (command.startsWith("(")) continue
      for (const word of words(command)) assert.match(sources, new RegExp(`"${word}"`), command)
    }
  })

  it("names tests that call it through the client or its command", () => {
    for (const row of rows) {
      for (const file of row.throughClient) {
        assert.match(file, /^(?:client|worker)\//, row.name)
        assert.isTrue(calls(row, sourceOf(file)), `${file} does not call ${row.name}`)
      }
    }
  })

  it("names tests of the function itself, in addition to those of its callers", () => {
    for (const { direct, name } of rows) {
      for (const file of direct) {
        assert.match(file, /^backend\//, name)
        assert.match(sourceOf(file), new RegExp(String.raw`\bapi\.${literal(name)}\b`), `${file} does not call ${name}`)
      }
    }
  })
})
