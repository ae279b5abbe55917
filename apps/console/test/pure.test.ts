import { describe, expect, it } from "vitest"
import { href, loginResponse, pairingCode, parentOf, parse, type Route, sectionOf } from "../src/app/router.ts"
import { readConfig } from "../src/auth/config.ts"
import { answersOf, isAnswered, noChoice } from "../src/data/choices.ts"
import { emptyDraft, typed } from "../src/data/drafts.ts"
import { AnswerGuard, visibleTime } from "../src/data/AnswerGuard.ts"
import { keepAnswered } from "../src/data/keepAnswered.ts"
import { undoFiles } from "../src/data/commands.ts"
import { dayOf, sumBy, sumOf } from "../src/data/usage.ts"
import { diffLines, fileDiffs, wholeFileDiffs, withoutName } from "../src/text/diff.ts"
import { cost, duration, elapsed, longDuration, shortPath, tokens } from "../src/text/format.ts"
import { safeLink } from "../src/text/links.ts"
import { marked } from "../src/text/marks.ts"
import { en, t, tn } from "../src/text/messages.ts"

const keep = (before: ReadonlyArray<string>, now: ReadonlyArray<string>, ...answered: ReadonlyArray<string>) =>
  keepAnswered(before, now, (item) => item, new Set(answered))

describe("the router", () => {
  const routes: ReadonlyArray<Route> = [
    { name: "inbox" },
    { name: "request", requestId: "r/1" },
    { name: "sessions" },
    { name: "new", workerId: null },
    { name: "new", workerId: "w 1" },
    { name: "session", sessionId: "s?1" },
    { name: "session", sessionId: "s", turnId: "t/1" },
    { name: "changes", sessionId: "s", turnId: "t" },
    { name: "machines" },
    { name: "machine", workerId: "w" },
    { name: "files", workerId: "w", path: "" },
    { name: "files", workerId: "w", path: "src/a b&c?.ts" },
    { name: "diff", workerId: "w" },
    { name: "search", text: "50% off" },
    { name: "usage" },
    { name: "settings" }
  ]

  it("reads the address that it writes", () => {
    for (const route of routes) expect(parse(href(route))).toEqual(route)
  })

  it("shows the inbox for unknown and broken addresses", () => {
    for (const hash of ["", "#", "#/", "#/unknown", "#/%E0%A4%A", "#pair=ABCD"]) expect(parse(hash).name).toBe("inbox")
  })

  it("names the section and the way back of each route", () => {
    expect(routes.map(sectionOf)).toContain("machines")
    expect(parentOf({ name: "changes", sessionId: "s", turnId: "t" })).toEqual({ name: "session", sessionId: "s" })
    expect(parentOf({ name: "inbox" })).toBeNull()
  })

  it("reads a pairing code from the fragment only", () => {
    expect(pairingCode("#pair=ABCD-EFGH")).toBe("ABCD-EFGH")
    expect(pairingCode("#pair=A%20B")).toBe("A B")
    for (const hash of ["", "#pair=", "#/inbox", "#/search?pair=1"]) expect(pairingCode(hash)).toBeNull()
  })
})

const responseIn = (url: string) => loginResponse(new URL(url, "https://a.test"))?.toString() ?? null

describe("the response of a login provider", () => {
  it("is in the fragment or the query of the address", () => {
    expect(responseIn("/#code=c&state=s")).toBe("code=c&state=s")
    expect(responseIn("/?error=access_denied&state=s")).toBe("error=access_denied&state=s")
    for (const url of ["/", "/#/search?code=1&state=2", "/#pair=ABCD", "/?code=c"]) expect(responseIn(url)).toBeNull()
  })
})

describe("the configuration", () => {
  it("is the origin of the page without a file, and may name another deployment", () => {
    for (const json of [undefined, "<html>", {}, { deployment: "" }, { deployment: 1 }]) {
      expect(readConfig(json, "https://a.test")).toEqual({ deployment: "https://a.test", login: null })
    }
    expect(readConfig({ deployment: "https://b.test/" }, "https://a.test").deployment).toBe("https://b.test")
  })

  it("names a login provider by its URL and a client", () => {
    const login = { issuer: "https://login.test/tenant", clientId: "console" }
    expect(readConfig({ login }, "https://a.test").login).toEqual({ ...login, scope: "openid" })
    expect(readConfig({ login: { ...login, scope: "openid email" } }, "").login?.scope).toBe("openid email")
    for (const wrong of [null, {}, { issuer: "login", clientId: "console" }, { ...login, clientId: 1 }]) {
      expect(readConfig({ login: wrong }, "https://a.test").login).toBeNull()
    }
  })
})

describe("a guarded answer", () => {
  it("is taken once, and not before the request was visible for long enough", () => {
    const guard = new AnswerGuard()
    expect(guard.take(10_000)).toBe(false)
    guard.show(0)
    expect(guard.take(visibleTime - 1)).toBe(false)
    expect(guard.take(visibleTime)).toBe(true)
    expect(guard.take(visibleTime + 1)).toBe(false)
    guard.release()
    expect(guard.take(visibleTime + 2)).toBe(true)
  })

  it("waits again after the request moved or was hidden", () => {
    const guard = new AnswerGuard()
    guard.show(0)
    guard.show(1_000)
    expect(guard.take(1_100)).toBe(false)
    guard.hide()
    expect(guard.take(9_000)).toBe(false)
  })

  it("leaves an answered item at its place, and lets others go", () => {
    expect(keep(["a", "b", "c"], ["a", "c"], "b")).toEqual(["a", "b", "c"])
    expect(keep(["a", "b", "c"], ["a", "c"])).toEqual(["a", "c"])
    expect(keep(["a", "b"], ["b"], "a")).toEqual(["a", "b"])
    expect(keep(["a", "b"], [], "b")).toEqual(["b"])
  })
})

describe("a draft", () => {
  it("keeps the key that its first character made, until it is empty", () => {
    let keys = 0
    const type = (draft: typeof emptyDraft, text: string) => typed(draft, { text }, () => `key${++keys}`)
    const first = type(emptyDraft, "H")
    const second = type(first, "Hello")
    expect([first.key, second.key]).toEqual(["key1", "key1"])
    expect(type(second, "").key).toBeNull()
    expect(type(type(second, ""), "x").key).toBe("key2")
  })
})

describe("choices", () => {
  it("become the answers: labels, then own words", () => {
    const choices = [
      { labels: ["A", "B"], own: " and more " },
      { labels: [], own: "only this" }
    ]
    expect(answersOf(choices)).toEqual([["A", "B", "and more"], ["only this"]])
    expect(isAnswered(noChoice)).toBe(false)
    expect(isAnswered({ labels: [], own: "  " })).toBe(false)
  })
})

describe("links", () => {
  it("lead to the web or to mail only", () => {
    expect(safeLink("https://example.com/a")).toBe("https://example.com/a")
    expect(safeLink("mailto:a@b.test")).toBe("mailto:a@b.test")
    const refused = [
      "javascript:alert(1)",
      "JaVaScRiPt:alert(1)",
      "java\nscript:alert(1)",
      "data:text/html,x",
      "vbscript:x",
      "file:///etc/passwd",
      "blob:https://a.test/1",
      "/relative",
      "#/settings",
      "https://bank.test@evil.test/"
    ]
    for (const target of refused) expect(safeLink(target)).toBeNull()
  })
})

describe("diffs", () => {
  const patch =
    "diff --git a/x.ts b/x.ts\n--- a/x.ts\n+++ b/x.ts\n@@ -1 +1 @@\n-old\n+new\ndiff --git a/y b/y\n--- a/y\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"

  it("mark added and deleted lines", () => {
    const kinds = diffLines(patch).map(({ kind }) => kind)
    expect(kinds.slice(0, 6)).toEqual(["h", "h", "h", "h", "d", "a"])
    expect(
      diffLines(patch)
        .map(({ text }) => text)
        .join("\n")
    ).toBe(patch.trimEnd())
  })

  it("are split by file without losing a line", () => {
    const files = fileDiffs(patch)
    expect(files.map(({ file }) => file)).toEqual(["x.ts", "y"])
    expect(files.map((each) => each.patch).join("")).toBe(patch)
    expect(fileDiffs("--- a/z\n+++ b/z\n@@ -1 +1 @@\n-a\n+b\n").map(({ file }) => file)).toEqual(["z"])
    expect(fileDiffs("")).toEqual([])
    // A request shows all of its patch: each file under its name, or the patch as it is.
    expect(wholeFileDiffs(patch)).toEqual(files)
    expect(wholeFileDiffs(`note\n${patch}`)).toBeNull()
    expect(wholeFileDiffs("@@ -1 +1 @@\n-a\n+b\n")).toBeNull()
  })

  it("leave out only lines that repeat the name of the file", () => {
    const head = [
      "Index: a b.ts",
      "=".repeat(67),
      "--- a b.ts\t",
      "+++ a b.ts\t",
      "old mode 100644",
      "rename to other.ts"
    ]
    const body = ["@@ -1,2 +1,2 @@", "--- a b.ts", "+++ a b.ts", "Index: a b.ts"]
    const shown = withoutName(diffLines([...head, ...body].join("\n")), "a b.ts")
    expect(shown.map(({ text }) => text)).toEqual(["old mode 100644", "rename to other.ts", ...body])
    expect(withoutName(diffLines("--- a/one\n+++ b/two\n@@ -1 +1 @@"), "two")).toHaveLength(2)
  })
})

describe("short text", () => {
  it("of times, costs and counts", () => {
    expect([0, 59_000, 60_000, 7_200_000, 172_800_000].map(duration)).toEqual(["0 s", "59 s", "1 min", "2 h", "2 d"])
    expect(longDuration(23 * 3_600_000 + 50 * 60_000)).toBe("23 h 50 min")
    expect(elapsed(240)).toBe("0.2 s")
    expect([0, 0.004, 1.5].map(cost)).toEqual(["$0", "< $0.01", "$1.50"])
    expect([950, 12_400, 2_000_000].map(tokens)).toEqual(["950", "12.4k", "2M"])
    expect(shortPath("/home/ann/work/shop")).toBe("…/work/shop")
    expect(shortPath("/shop")).toBe("/shop")
  })

  it("marks the words of a search literally", () => {
    expect(marked("a (b) c", "(b)")).toEqual([
      { part: "a ", isMatch: false },
      { part: "(b)", isMatch: true },
      { part: " c", isMatch: false }
    ])
    expect(marked("text", " ")).toEqual([{ part: "text", isMatch: false }])
  })
})

describe("messages", () => {
  it("have both forms of each plural, and use the values that they name", () => {
    const ones = Object.keys(en).filter((key) => key.endsWith(".one"))
    for (const key of ones) expect(en).toHaveProperty([key.replace(/one$/, "other")])
    expect(t("request.position", { index: 1, count: 3 })).toBe("1 of 3")
    expect(tn("machines.online", 1)).toBe("1 machine")
    expect(tn("machines.online", 2)).toBe("2 machines")
  })
})

describe("results of commands and usage", () => {
  it("are read from JSON of any shape", () => {
    expect(undoFiles({ files: [{ file: "a", status: "modified", changed: true }, { file: 1 }, null] })).toEqual([
      { file: "a", status: "modified", changed: true }
    ])
    expect(undoFiles("text")).toEqual([])
  })

  it("are summed", () => {
    const row = { turns: 1, input: 2, output: 3, reasoning: 0, cacheRead: 0, cacheWrite: 0, cost: 0.5 }
    expect(sumOf([row, row])).toMatchObject({ turns: 2, cost: 1 })
    expect(sumBy([row, row], () => "m")).toHaveLength(1)
    expect(dayOf(0)).toBe("1970-01-01")
  })
})
