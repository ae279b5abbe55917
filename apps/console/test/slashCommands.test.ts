import { describe, expect, it } from "vitest"
import { chosenText, hintsFor, slashOf } from "../src/data/slashCommands.ts"

const offered = [{ name: "review" }, { name: "init" }, { name: "pre-review" }, { name: "ops/deploy" }]

describe("slashOf", () => {
  it.each([
    ["/review", { kind: "command", name: "review", args: "" }],
    ["/review  main\nand tests  ", { kind: "command", name: "review", args: "main\nand tests" }],
    ["/ops/deploy now", { kind: "command", name: "ops/deploy", args: "now" }],
    ["/reviw main", { kind: "unknown", name: "reviw" }],
    // Paths and other texts are prompts.
    ["/etc/hosts is wrong", null],
    ["/Users", null],
    [" /review", null],
    ["/", null],
    ["Use /review", null]
  ])("reads %j", (text, found) => {
    expect(slashOf(text, offered)).toEqual(found)
  })
})

const names = (text: string) => hintsFor(text, offered).map(({ name }) => name)

describe("hintsFor", () => {
  it("offers names that begin with the text, then names that contain it, until a space is typed", () => {
    expect(names("/re")).toEqual(["review", "pre-review"])
    expect(names("/")).toEqual(["init", "ops/deploy", "pre-review", "review"])
    expect(names("/review ")).toEqual([])
    expect(names("re")).toEqual([])
    expect(names("/x")).toEqual([])
  })

  it("is followed by arguments", () => {
    expect(slashOf(`${chosenText({ name: "review" })}main`, offered)).toMatchObject({ name: "review", args: "main" })
  })
})
