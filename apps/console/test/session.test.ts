/** Prompts and turns of a session in a real browser, over a scripted deployment. */
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import { patient, usePage } from "./scripted/page.ts"
import { settled } from "./scripted/settled.ts"
import type { makeWorld } from "./scripted/world.ts"

let page: Page
const { open } = usePage((opened) => {
  page = opened
})

/** In the page: a function that is passed to `page.evaluate` may use it. */
declare const scripted: ReturnType<typeof makeWorld>

describe("a prompt", () => {
  it("has the model, variant and agent that were chosen, also after a reload", async () => {
    await open("#/sessions/session3", "text=gave up after 6 tries")
    await page.getByRole("button", { name: "Model and agent" }).click()
    const dialog = page.getByRole("dialog", { name: "Model and agent" })
    await dialog.getByLabel("Model").selectOption("anthropic/claude-sonnet-4-5")
    await dialog.getByLabel("Variant").selectOption("high")
    await dialog.getByLabel("Agent").selectOption("plan")
    await dialog.getByRole("button", { name: "Use" }).click()
    await page.getByText("claude-sonnet-4-5 · high · plan").waitFor()
    await page.reload()
    await page.getByText("claude-sonnet-4-5 · high · plan").waitFor()
    await page.getByLabel("Prompt", { exact: true }).fill("Plan it")
    await page.keyboard.press("Enter")
    await page.getByText("Queued").waitFor()
    const calls = await page.evaluate(() => scripted.script.calls.filter(({ name }) => name === "turns:send"))
    expect(calls).toMatchObject([{ args: { model: "anthropic/claude-sonnet-4-5", variant: "high", agent: "plan" } }])
  })
})

const calls = (name: string) =>
  page.evaluate((of) => scripted.script.calls.filter((call) => call.name === of).map(({ args }) => args), name)

describe("a command of OpenCode", () => {
  it("is completed and sent by keys, with its arguments", async () => {
    await open("#/sessions/session3", "text=gave up after 6 tries")
    const field = page.getByLabel("Prompt", { exact: true })
    await field.focus()
    await page.keyboard.type("/")
    const options = page.getByRole("listbox", { name: "Commands of OpenCode" }).getByRole("option")
    await expect.poll(() => options.count(), patient).toBe(3)
    await page.keyboard.press("ArrowUp")
    await page.getByRole("option", { name: "/review", selected: true }).waitFor()
    await page.keyboard.press("ArrowDown")
    await page.getByRole("option", { name: "/init", selected: true }).waitFor()
    // Esc closes the list, and stops nothing.
    await page.keyboard.press("Escape")
    await options.first().waitFor({ state: "detached" })
    await page.keyboard.type("rev")
    await page.keyboard.press("Tab")
    expect(await field.inputValue()).toBe("/review ")
    await page.getByText("Review the changes of a branch").waitFor()
    await page.keyboard.type("main")
    await page.keyboard.press("Enter")
    await page.getByText("/review main").waitFor()
    await page.getByText("Queued").waitFor()
    expect(await calls("turns:command")).toMatchObject([{ name: "review", arguments: "main", sessionId: "session3" }])
    expect(await calls("turns:send")).toEqual([])
  })

  it("is chosen by touch; an unknown one is refused and a space before it makes it a prompt", async () => {
    await open("#/sessions/session1", "text=Now run all tests.")
    const field = page.getByLabel("Prompt", { exact: true })
    await field.fill("/not-there")
    await page.getByRole("button", { name: "Send", exact: true }).click()
    await page.getByText("There is no command /not-there").waitFor()
    await field.fill("/no")
    await page.getByRole("option", { name: "/release-notes" }).click()
    expect(await field.inputValue()).toBe("/release-notes ")
    expect(await field.evaluate((element) => element === document.activeElement)).toBe(true)
    // A command never steers.
    expect(await page.getByText("Steer", { exact: true }).count()).toBe(0)
    await page.getByRole("button", { name: "Send", exact: true }).click()
    await expect
      .poll(() => calls("turns:command"), patient)
      .toMatchObject([{ name: "release-notes", arguments: "", sessionId: "session1" }])
    await field.fill(" /not-there")
    await page.getByRole("button", { name: "Send", exact: true }).click()
    await expect.poll(() => calls("turns:send"), patient).toMatchObject([{ text: " /not-there" }])
  })
})

describe("a shell command", () => {
  it("is offered only where the machine allows it, and shows its output", async () => {
    await open("#/sessions/session2", "text=No prompts yet")
    await page.getByRole("button", { name: "Session actions" }).click()
    await page.getByRole("button", { name: "Fork" }).waitFor()
    expect(await page.getByRole("button", { name: "Shell command…" }).count()).toBe(0)
    await open("#/sessions/session3", "text=gave up after 6 tries")
    await page.getByRole("button", { name: "Session actions" }).click()
    await page.getByRole("button", { name: "Shell command…" }).click()
    const dialog = page.getByRole("dialog", { name: "Shell command" })
    await dialog.getByText("It runs on studio with all rights of its user, without approval").waitFor()
    await dialog.getByLabel("Command").fill("git status")
    await page.keyboard.press("Enter")
    await dialog.getByText("git status: done").waitFor()
    expect(await calls("sessionActions:shell")).toMatchObject([{ line: "git status", sessionId: "session3" }])
  })
})

describe("the queue", () => {
  it("is read, changed, moved and emptied", async () => {
    await open("#/sessions/session1", "text=1 prompt waits")
    await page.evaluate(() => {
      scripted.world.addTurn({ turnId: "turn6", head: "Then release it.", length: 16 })
      scripted.script.changed()
    })
    await page.getByRole("button", { name: "2 prompts wait" }).click()
    const dialog = page.getByRole("dialog", { name: "Queued prompts" })
    await dialog.getByRole("button", { name: "Edit" }).first().click()
    await dialog.getByLabel("Prompt").fill("Write the changelog.")
    await dialog.getByRole("button", { name: "Save" }).click()
    await dialog.getByText("Write the changelog.").waitFor()
    await dialog.getByRole("button", { name: "Later" }).click()
    await expect
      .poll(() => dialog.locator("li p").allTextContents(), patient)
      .toEqual(["Then release it.", "Write the changelog."])
    await dialog.getByRole("button", { name: "Remove" }).first().click()
    await expect.poll(() => dialog.locator("li p").allTextContents(), patient).toEqual(["Write the changelog."])
  })
})

describe("a turn", () => {
  it("that search has found is shown first, although it is far back", async () => {
    await open("?scenario=long#/sessions/session1?turn=long6", "text=Prompt 6")
    await settled(page)
    const text = await page.evaluate(() => {
      const edge = document.querySelector(".viewport")?.getBoundingClientRect().top ?? 0
      const slots = [...document.querySelectorAll(".row-slot")]
      return slots.find((slot) => slot.getBoundingClientRect().bottom > edge + 40)?.textContent
    })
    expect(text).toContain("Prompt 6")
  })

  it("shows the transcript of its sub-agent, which the machine reads", async () => {
    await open("#/sessions/session1", "text=Read the tax rules")
    await page.getByRole("button", { name: "Read the tax rules" }).click()
    await page.getByText("How are taxes rounded?").waitFor()
    await page.getByText("Taxes are rounded per line.").waitFor()
    expect(await page.getByText("docs/tax.md").count()).toBe(1)
    expect(await page.getByText("step-start").count()).toBe(0)
  })

  it("shows its images as copies of their bytes, and offers all other files for download", async () => {
    await open("#/sessions/session1?turn=turn1", ".prompt .attachments img")
    const pictures = await page
      .locator(".prompt .attachments img")
      .evaluateAll((all) => all.map((each) => each.getAttribute("src")))
    expect(pictures).toHaveLength(1)
    expect(pictures[0]).toMatch(/^blob:/)
    const names = await page
      .locator(".prompt a.attachment")
      .evaluateAll((all) => all.map((each) => each.getAttribute("download")))
    expect(names).toEqual(["receipt.png", "cart.svg"])
  })

  it("shows the images of its tools, without opening their output", async () => {
    await open("#/sessions/session3", ".tool .attachments img")
    const picture = page.locator(".tool", { hasText: "docs/cart.png" }).locator("a.attachment")
    expect(await picture.getAttribute("download")).toBe("file.png")
    expect(await picture.locator("img").getAttribute("src")).toMatch(/^blob:/)
  })
})
