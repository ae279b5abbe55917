/** The steps of a person at the web console, by pointer. */
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import type { Page } from "@opencode-worker/harness/browser"
import type { FaultProxy } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { insist, sees, send, visit } from "./browser.ts"

export const startSession = async (page: Page, text: string) => {
  await visit(page, "Sessions")
  await page.getByRole("link", { name: "New session" }).first().click()
  await page.getByRole("textbox", { name: "What should the agent do?" }).fill(text)
  await page.getByRole("button", { name: "Start" }).click()
}

export const image = {
  name: "pixel.png",
  mimeType: "image/png",
  buffer: Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64"
  )
}

/** The page ignores answers to a request that it has just shown. */
const allowOnce = (page: Page) =>
  insist(
    () =>
      page
        .getByRole("button", { name: "Allow once" })
        .last()
        .click({ timeout: 1000 })
        .catch(() => undefined),
    () => page.getByText("Allowed once").last().isVisible(),
    "the answer to be accepted"
  )

/** Everything that a person does, from the first prompt to going offline and back. */
export const walk = (page: Page, directory: string, proxy: FaultProxy["Service"]) =>
  Effect.promise(async () => {
    await startSession(page, "Say hello")
    await sees(page, /one word after the other/)

    writeFileSync(join(directory, "old.txt"), "")
    await send(page, "Remove the file")
    await page.getByRole("link", { name: /The agent waits for your answer/ }).click()
    await page.getByRole("heading", { name: "Allow this command?" }).waitFor()
    await sees(page, "rm -f old.txt")
    assert.isTrue(existsSync(join(directory, "old.txt")))
    await allowOnce(page)
    await visit(page, "Sessions")
    await page
      .getByRole("link", { name: /^Say hello/ })
      .first()
      .click()
    await sees(page, "The old file is gone.")
    assert.isFalse(existsSync(join(directory, "old.txt")))

    rmSync(join(directory, "list.txt"), { force: true })
    await send(page, "Write the list")
    await page.getByRole("link", { name: /The agent waits for your answer/ }).click()
    await page.getByRole("heading", { name: "Allow this edit?" }).waitFor()
    await page.getByRole("heading", { name: /list\.txt$/ }).waitFor()
    await page.locator(".diff .a", { hasText: "+cumin" }).waitFor()
    assert.isFalse(existsSync(join(directory, "list.txt")))
    await allowOnce(page)
    await page
      .getByRole("link", { name: /^Say hello/ })
      .last()
      .click()
    await sees(page, "The list is written.")
    assert.isTrue(existsSync(join(directory, "list.txt")))

    await send(page, "Wait for the file")
    await page.getByText("Steer", { exact: true }).click()
    await send(page, "Change of plan")
    await sees(page, "Change of plan")
    writeFileSync(join(directory, "go.txt"), "")
    await sees(page, "Steered to another plan.")

    await send(page, "Go on")
    await sees(page, "On and on it goes.")
    await page.getByRole("button", { name: "Stop the turn" }).click()
    await sees(page, "Stopped")

    await page.locator("input[type=file]").setInputFiles(image)
    await sees(page, "pixel.png")
    await send(page, "Look at this")
    await sees(page, "The image has arrived.")
    await page.getByRole("img", { name: "pixel.png" }).waitFor()

    await send(page, "Write the notes")
    await sees(page, "The notes are written.")
    assert.isTrue(existsSync(join(directory, "notes.txt")))
    // The end of the turn is shown after its text.
    await insist(
      async () => {
        if (page.url().includes("/changes/")) await page.goBack()
        await page.getByRole("link", { name: "Changes" }).last().click()
        await page.getByRole("button", { name: "Undo", exact: true }).waitFor()
      },
      () => page.getByRole("heading", { name: "notes.txt" }).isVisible(),
      "the changes of the last turn"
    )
    await page.getByRole("button", { name: "Undo", exact: true }).click()
    const dialog = page.getByRole("dialog")
    await dialog.getByRole("button", { name: "Undo", exact: true }).click()
    await sees(page, "The notes are written.")
    assert.isFalse(existsSync(join(directory, "notes.txt")))

    await visit(page, "Search")
    await page.getByRole("searchbox").fill("another plan")
    await page
      .getByRole("link", { name: /Steered to another plan/ })
      .first()
      .click()
    await page.waitForURL(/#\/sessions\/./)
    await sees(page, "Steered to another plan.")

    await visit(page, "Inbox")
    await page.getByText("Finished").first().waitFor()

    await visit(page, "Sessions")
    await page
      .getByRole("link", { name: /^Say hello/ })
      .first()
      .click()
    await sees(page, "Steered to another plan.")
    await Effect.runPromise(proxy.refuse)
    await sees(page, /^Offline/)
    await send(page, "Sent while offline")
    await sees(page, "Sent while offline")
    await Effect.runPromise(proxy.restore)
    await sees(page, "The answer to: Sent while offline")
    assert.strictEqual(await page.getByText("The answer to: Sent while offline").count(), 1)
  })
