/** The steps of a person at the web console, by keyboard alone. */
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import type { Page } from "@opencode-worker/harness/browser"
import type { FaultProxy } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { insist, reach, sees } from "./browser.ts"
import { image } from "./walk.ts"

/** The same as `walk`. */
export const walkByKeys = (page: Page, directory: string, proxy: FaultProxy["Service"]) =>
  Effect.promise(async () => {
    const { keyboard } = page
    const press = (key: string) => keyboard.press(key)
    /** By the palette. */
    const goTo = async (name: string) => {
      await press("Control+k")
      await page.getByRole("combobox", { name: "Go to" }).waitFor()
      await keyboard.type(name)
      await page.getByRole("option", { name, selected: true }).first().waitFor()
      await press("Enter")
    }
    const send = async (text: string) => {
      await keyboard.type(text)
      await press("Enter")
    }

    await goTo("New session")
    await reach(page, "Tab", "What should the agent do?")
    await keyboard.type("Say hello")
    await press("Tab")
    await press("Enter")
    await sees(page, /one word after the other/)

    rmSync(join(directory, "list.txt"), { force: true })
    await reach(page, "Tab", "Prompt")
    await send("Write the list")
    await page.getByRole("link", { name: /The agent waits for your answer/ }).waitFor()
    await reach(page, "Shift+Tab", "The agent waits for your answer")
    await press("Enter")
    await page.getByRole("heading", { name: "Allow this edit?" }).waitFor()
    await page.locator(".diff .a", { hasText: "+cumin" }).waitFor()
    assert.isFalse(existsSync(join(directory, "list.txt")))
    await insist(
      () => press("y"),
      () => page.getByText("Allowed once").last().isVisible(),
      "the answer to be accepted"
    )
    await goTo("Say hello")
    await sees(page, "The list is written.")

    await reach(page, "Tab", "Prompt")
    await send("Wait for the file")
    await page.getByRole("radio", { name: "Queue" }).waitFor({ state: "attached" })
    await reach(page, "Shift+Tab", "Queue")
    await press("ArrowRight")
    await reach(page, "Tab", "Prompt")
    await send("Change of plan")
    await sees(page, "Change of plan")
    writeFileSync(join(directory, "go.txt"), "")
    await sees(page, "Steered to another plan.")

    await send("Go on")
    await sees(page, "On and on it goes.")
    await press("Escape")
    await sees(page, "Stopped")

    await reach(page, "Shift+Tab", "Attach files")
    const chooser = page.waitForEvent("filechooser")
    await press("Enter")
    await (await chooser).setFiles(image)
    await sees(page, "pixel.png")
    await reach(page, "Tab", "Prompt")
    await send("Look at this")
    await sees(page, "The image has arrived.")

    await send("Write the notes")
    await sees(page, "The notes are written.")
    // The end of the turn is shown after its text.
    await insist(
      async () => {
        if (page.url().includes("/changes/")) await page.goBack()
        await reach(page, "Shift+Tab", "Changes")
        await press("Enter")
        await page.getByRole("button", { name: "Undo", exact: true }).waitFor()
      },
      () => page.getByRole("heading", { name: "notes.txt" }).isVisible(),
      "the changes of the last turn"
    )
    await reach(page, "Shift+Tab", "Undo")
    await press("Enter")
    await page.getByRole("dialog").getByText("notes.txt").waitFor()
    await reach(page, "Tab", "Undo")
    await press("Enter")
    await sees(page, "The notes are written.")
    assert.isFalse(existsSync(join(directory, "notes.txt")))

    await goTo("Search")
    await reach(page, "Tab", "Search all sessions")
    await keyboard.type("another plan")
    await page
      .getByRole("link", { name: /Steered to another plan/ })
      .first()
      .waitFor()
    await reach(page, "Tab", "Say hello")
    await press("Enter")
    await page.waitForURL(/#\/sessions\/./)
    await sees(page, "Steered to another plan.")

    await goTo("Inbox")
    await page.getByText("Finished").first().waitFor()

    await goTo("Say hello")
    await sees(page, "The notes are written.")
    await Effect.runPromise(proxy.refuse)
    await sees(page, /^Offline/)
    await reach(page, "Tab", "Prompt")
    await send("Typed while offline")
    await sees(page, "Typed while offline")
    await Effect.runPromise(proxy.restore)
    await sees(page, "The answer to: Typed while offline")
    assert.strictEqual(await page.getByText("The answer to: Typed while offline").count(), 1)
  })
