import { assert, describe, it } from "@effect/vitest"
import { Cause } from "effect"
import { isJournal, journalPrefix, jsonEntry } from "../../../src/terminal/output/jsonEntry.ts"
import { redact, secretsOf } from "../../../src/terminal/output/redact.ts"

const entry = (message: unknown, cause: Cause.Cause<unknown> = Cause.empty): Record<string, unknown> =>
  JSON.parse(jsonEntry({ message, cause, date: new Date(0), logLevel: "Info" }, { directory: "/app", time: "forged" }))

describe("a log entry as JSON", () => {
  it("has a time, a level, a message and fields, which replace none of these", () => {
    assert.deepStrictEqual(entry(["Turn ended", { millis: 5, level: "forged" }, "more"]), {
      time: "1970-01-01T00:00:00.000Z",
      level: "info",
      message: "Turn ended",
      directory: "/app",
      millis: 5,
      detail: "more"
    })
  })

  it("has the causes of a failure", () => {
    assert.include(String(entry(["It failed", Cause.fail(new Error("disk full"))])["cause"]), "disk full")
    assert.include(String(entry("It failed", Cause.die(new Error("broken")))["cause"]), "broken")
    assert.strictEqual(entry(Cause.die("odd"))["message"], "An unexpected error")
  })

  it("is one line whatever the message contains", () => {
    const line = jsonEntry(
      { message: 'a\n{"level":"error"}\u2028b', cause: Cause.empty, date: new Date(0), logLevel: "Warn" },
      {}
    )
    assert.notInclude(line, "\n")
  })

  it("has a priority in the journal of systemd, which is known by its device and inode", () => {
    assert.deepStrictEqual(["Fatal", "Error", "Warn", "Info", "Debug"].map(journalPrefix), [
      "<2>",
      "<3>",
      "<4>",
      "<6>",
      "<7>"
    ])
    assert.isTrue(isJournal("9:1234", { dev: 9, ino: 1234 }))
    assert.isFalse(isJournal("9:1234", { dev: 9, ino: 1 }))
    assert.isFalse(isJournal(undefined, { dev: 9, ino: 1 }))
  })
})

describe("log text contains no secret", () => {
  const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtZSJ9abc.c2lnbmF0dXJl"
  it.each([
    ["a token", `refused ${jwt}!`, "refused <redacted>!"],
    ["a header", "Authorization: Bearer abcdefgh12345", "Authorization: Bearer <redacted>"],
    ["a password in an address", "http://me:hunter22@host/x", "http://<redacted>@host/x"],
    ["a provider's key", "key sk-proj-abcdef123456 is wrong", "key <redacted> is wrong"],
    ["a named value", 'got {"apiKey":"0123456789"}', 'got {"apiKey":"<redacted>"}'],
    ["a known secret, also inside a longer one", "my-own-secret and my-own-secret-2", "<redacted> and <redacted>"]
  ])("%s", (_, text, expected) => {
    assert.strictEqual(redact(text, ["my-own-secret", "my-own-secret-2"]), expected)
  })

  it("takes the values of variables that are named like secrets", () => {
    const environment = {
      OPENAI_API_KEY: "not-a-shape-1",
      OTEL_EXPORTER_OTLP_HEADERS: "x-team=0123456",
      SHORT_TOKEN: "abc",
      GIT_AUTHOR_NAME: "Jane Doe Example",
      SSH_AUTH_SOCK: "/tmp/ssh-agent",
      HOME: "/home/me"
    }
    assert.deepStrictEqual(secretsOf(environment), ["not-a-shape-1", "x-team=0123456"])
  })

  it("leaves ordinary text alone", () => {
    for (const text of [
      "https://happy-otter-123.convex.cloud",
      "3 tokens were used",
      "the token is expired",
      "basic idea"
    ]) {
      assert.strictEqual(redact(text, []), text)
    }
  })
})
