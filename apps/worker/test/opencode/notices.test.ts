import { assert, describe, it } from "@effect/vitest"
import { retryNotice } from "../../src/opencode/notices.ts"

const at = Date.UTC(2026, 10, 29, 13, 2)

describe("a wait for the provider", () => {
  // Reported provider responses during which an interface showed only a spinner.
  it.each([
    ["rate limited", 1, "Rate limited. Quick retry in 1s…", "anomalyco/opencode#15988"],
    ["many attempts", 17, "Too Many Requests", "anomalyco/opencode#15988"],
    ["a 429 of a stub", 3, "Rate limit exceeded. Please try again later.", "tiann/hapi#1433, lidge-jun/opencodex#1145"],
    ["another language", 2, "请求过于频繁", "anomalyco/opencode#42322"]
  ])("is shown with its time, its attempt and the provider's words: %s", (_, attempt, message) => {
    const { text } = retryNotice({ _tag: "RetryScheduled", attempt, message, next: at })
    assert.strictEqual(text, `Waiting for the provider until 2026-11-29 13:02 UTC (attempt ${attempt}): ${message}`)
  })
})
