import type { PushMessage } from "@opencode-worker/client"
import { describe, expect, it } from "vitest"
import { notificationOf, pageOf } from "../src/worker/notification.ts"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- ids are strings
const message = (given: object) =>
  ({
    id: "1",
    kind: "asked",
    at: 5,
    sessionId: null,
    turnId: null,
    requestId: null,
    workerId: null,
    heading: "The agent asks",
    ...given
  }) as PushMessage

describe("a push message", () => {
  it("without content shows its heading, and opens the request", () => {
    const { options, title } = notificationOf(message({ sessionId: "s", requestId: "r" }))
    expect(title).toBe("The agent asks")
    expect(options).toMatchObject({ body: "", tag: "s", data: { page: "/#/inbox/r" } })
  })

  it("with content shows title and subject, cleaned", () => {
    const { options, title } = notificationOf(message({ workerId: "w", title: "Fix\u202E", subject: "bash: ls\nrm" }))
    expect([title, options.body, options.data.page]).toEqual([
      "Fix<U+202E>",
      "The agent asks: bash: ls␊rm",
      "/#/machines/w"
    ])
  })

  it("opens a page of this origin, whatever its data is", () => {
    expect(pageOf({ page: "/#/sessions/s" })).toBe("/#/sessions/s")
    for (const data of [null, {}, { page: "https://evil.test" }, { page: "//evil.test" }])
      expect(pageOf(data)).toBe("/#/inbox")
  })
})
