import { assert, describe, it } from "@effect/vitest"
import { changesShell, expanded, namedFiles } from "../src/internal/turn/commandText.ts"

describe("expanded", () => {
  it.each([
    ["Greet $1 and $2.", `"Ann Lee" Bob Carl`, "Greet Ann Lee and Bob Carl."],
    ["All: $ARGUMENTS", "a  'b'", "All: a  'b'"],
    ["Plain", "more", "Plain\n\nmore"],
    ["Plain", " ", "Plain"],
    ["$1 of $3", "a", "a of "]
  ])("%j with %j is %j", (template, args, text) => assert.strictEqual(expanded(template, args), text))
})

describe("changesShell", () => {
  it.each([
    ["Explain $ARGUMENTS", "the `foo` function, please!", false],
    ["Diff: !`git diff`\n$ARGUMENTS", "only `src`", false],
    ["Explain $ARGUMENTS", "!`id`", true],
    ["Explain $1$2", "! `id`", true],
    ["Run !$ARGUMENTS", "`id`", true],
    ["Run $1`id`", "wow!", true],
    ["Log: !`git log $ARGUMENTS`", "--oneline", true],
    ["Log: !`git log $ARGUMENTS`", "", false],
    ["Plain", "!`id`", true],
    ["Say !`", "id`", true]
  ])("of %j with %j is %s", (template, args, changes) => assert.strictEqual(changesShell(template, args), changes))
})

describe("namedFiles", () => {
  it.each([
    ["Read @own.txt and $ARGUMENTS", "@other.txt", ["other.txt"]],
    ["Read @$1", "/etc/passwd", ["/etc/passwd"]],
    ["Read $ARGUMENTS", "a@b.example", []],
    ["Read $ARGUMENTS", "@../up.txt, @~/home.txt", ["../up.txt", "~/home.txt"]]
  ])("of %j with %j are %j", (template, args, names) => assert.deepStrictEqual(namedFiles(template, args), names))
})
