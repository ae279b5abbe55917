/** The words that a shell offers, and the scripts that ask for them. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Argument, Command, Completions, Flag } from "effect/cli"
import { candidates } from "../../src/operator/completion/candidates.ts"
import { scripts } from "../../src/operator/completion/scripts.ts"

const show = Command.make("show", {
  session: Argument.String("session"),
  turn: Argument.String("turn").pipe(Argument.optional),
  format: Flag.Literals("format", ["text", "json"]).pipe(Flag.withDefault("text" as const)),
  isPlain: Flag.Boolean("plain").pipe(Flag.withDefault(false)),
  worker: Flag.String("worker").pipe(Flag.withAlias("w"), Flag.optional),
  attach: Flag.String("attach").pipe(Flag.optional)
})
const root = Completions.fromCommand(
  Command.make("program").pipe(
    Command.withSubcommands([
      Command.make("sessions").pipe(Command.withDescription("Sessions"), Command.withSubcommands([show])),
      Command.make("hidden").pipe(Command.unlisted)
    ])
  )
)

const valuesOf = (...words: ReadonlyArray<string>) => {
  const found = candidates(root, words)
  return found._tag === "Values" ? found.values.map(({ value }) => value) : [found._tag]
}

describe("completions", () => {
  it("offers commands that are listed, and flags that were not given", () => {
    assert.deepStrictEqual(valuesOf(""), ["sessions"])
    assert.deepStrictEqual(valuesOf("sessions", "s"), ["show"])
    assert.includeMembers([...valuesOf("sessions", "show", "--")], ["--format", "--plain", "--worker", "--attach"])
    assert.notInclude(valuesOf("sessions", "show", "--plain", "--"), "--plain")
    assert.notInclude(valuesOf("sessions", "show", "-w", "vm", "--"), "--worker")
  })

  it("offers the values of a choice, also after =", () => {
    assert.deepStrictEqual(valuesOf("sessions", "show", "--format", ""), ["text", "json"])
    assert.deepStrictEqual(valuesOf("sessions", "show", "--format=j"), ["json"])
    assert.deepStrictEqual(valuesOf("sessions", "show", "--format", "=", "j"), ["json"])
  })

  it("names the rows of an argument, with the arguments and flags before it", () => {
    const found = candidates(root, ["sessions", "show", "--worker", "vm", "js7", "k"])
    assert.deepStrictEqual(found, {
      _tag: "Rows",
      kind: "turn",
      positional: ["js7"],
      flags: new Map([["worker", "vm"]])
    })
    assert.deepInclude(candidates(root, ["sessions", "show", ""]), { _tag: "Rows", kind: "session" })
    assert.deepInclude(candidates(root, ["sessions", "show", "-w", ""]), { _tag: "Rows", kind: "worker" })
    assert.deepStrictEqual(valuesOf("sessions", "show", "--attach", ""), ["Files"])
    assert.deepStrictEqual(valuesOf("sessions", "show", "a", "b", ""), [])
  })
})

/** The words that bash would offer, with a program that prints `lines`. */
const complete = (lines: ReadonlyArray<string>, ...words: ReadonlyArray<string>) => {
  const folder = mkdtempSync(join(tmpdir(), "completion-"))
  try {
    writeFileSync(join(folder, "lines"), lines.map((line) => `${line}\n`).join(""))
    const program = `#!/bin/sh\ncat "${folder}/lines"\n`
    writeFileSync(join(folder, "opencode-worker"), program, { mode: 0o755 })
    const quoted = words.map((word) => `'${word}'`).join(" ")
    const script = `${scripts.bash}\nCOMP_WORDS=(opencode-worker ${quoted}); COMP_CWORD=${words.length}\n_opencode_worker\nprintf '%s\\n' "\${COMPREPLY[@]}"`
    const path = `${folder}:${process.env["PATH"] ?? ""}`
    return execFileSync("bash", ["--norc", "-c", script], { env: { PATH: path } })
      .toString()
      .trim()
      .split("\n")
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe("the script for bash", () => {
  it("offers the words before the tabs, and runs nothing of their descriptions", () => {
    assert.deepStrictEqual(
      complete(['js7abc\t$(touch /tmp/x) `id` "quoted"', "js8\tTwo words"], "sessions", "show", "js"),
      ["js7abc", "js8"]
    )
  })
})

describe("the scripts for other shells", () => {
  it("call the same command", () => {
    for (const script of Object.values(scripts)) assert.include(script, "opencode-worker complete --")
  })
})
