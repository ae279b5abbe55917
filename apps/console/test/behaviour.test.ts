/** What the page does in a real browser, over a scripted deployment. */
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import type { Outbox } from "../src/data/Outbox.ts"
import { patient, usePage } from "./scripted/page.ts"
import { settled } from "./scripted/settled.ts"
import type { makeWorld } from "./scripted/world.ts"

let page: Page
const { open, requested } = usePage((opened) => {
  page = opened
})

/** In the page: a function that is passed to `page.evaluate` may use it. */
declare const scripted: ReturnType<typeof makeWorld> & { readonly outbox: Outbox }

const answers = () =>
  page.evaluate(() => scripted.script.calls.filter(({ name }) => name === "requests:answer").map(({ args }) => args))
const sent = () => page.evaluate(() => scripted.script.calls.filter(({ name }) => name === "turns:send").length)

describe("a request", () => {
  it("takes no answer before it was visible for a moment, and one of two taps", async () => {
    await open("#/inbox", "text=Allow once")
    const allow = page.getByRole("button", { name: "Allow once" })
    // Both clicks are in one task, directly after the card has appeared.
    await page.reload()
    await allow.waitFor()
    await allow.evaluate((button: HTMLElement) => button.click())
    await expect
      .poll(async () => {
        await allow.evaluate((button: HTMLElement) => {
          button.click()
          button.click()
        })
        return (await answers()).length
      }, patient)
      .toBe(1)
    await page.getByText("Allowed once").waitFor()
    expect(await answers()).toEqual([{ requestId: "request1", hash: "hash-request1", answer: { type: "once" } }])
    // The others stay where they are.
    expect(await page.locator("article").first().textContent()).toContain("Allowed once")
  })

  it("is answered by keys, with the hash of what was shown", async () => {
    await open("#/inbox/request3", ".request-actions")
    await page.keyboard.press("y")
    expect(await answers()).toEqual([])
    await expect
      .poll(async () => {
        await page.keyboard.press("a")
        return (await answers()).length
      }, patient)
      .toBe(1)
    expect(await answers()).toEqual([{ requestId: "request3", hash: "hash-request3", answer: { type: "always" } }])
    await page.keyboard.press("n")
    expect(await answers()).toHaveLength(1)
  })

  it("is denied with a reason, in which keys are text", async () => {
    await open("#/inbox/request1", ".request-actions")
    await page.getByRole("button", { name: "Deny, with why" }).click()
    await page.keyboard.type("yes but any other day")
    expect(await answers()).toEqual([])
    await expect
      .poll(async () => {
        await page.getByRole("button", { name: "Deny", exact: true }).evaluate((button: HTMLElement) => button.click())
        return (await answers()).length
      }, patient)
      .toBe(1)
    expect(await answers()).toMatchObject([{ answer: { type: "reject", message: "yes but any other day" } }])
  })

  it("with questions is answered by options and own words", async () => {
    await open("#/inbox/request4", ".question")
    await page.getByRole("checkbox", { name: "Checkout" }).click()
    await page.getByLabel("Your own answer").fill("and the mail")
    await expect
      .poll(async () => {
        await page.getByRole("button", { name: "Send answer" }).evaluate((button: HTMLElement) => button.click())
        return (await answers()).length
      }, patient)
      .toBe(1)
    expect(await answers()).toMatchObject([{ answer: { type: "answers", answers: [["Checkout", "and the mail"]] } }])
  })
})

describe("a search", () => {
  it("shows how each turn was found, and finds by one part of turns only", async () => {
    await open("#/search?q=totals", "mark")
    const found = page.locator(".items .tag")
    expect(await found.allTextContents()).toEqual(["prompt", "answer"])
    await page.getByLabel("Found in").selectOption("answer")
    await expect.poll(() => found.allTextContents(), patient).toEqual(["answer"])
  })
})

describe("a prompt", () => {
  it("that is written without a connection is shown, and sent once when the connection is back", async () => {
    await open("#/sessions/session3", "text=gave up after 6 tries")
    await page.evaluate(() => scripted.script.setConnected(false))
    await page.getByText("Offline.").waitFor()
    await page.getByLabel("Prompt", { exact: true }).fill("Try once more")
    await page.getByRole("button", { name: "Send", exact: true }).click()
    await page.getByText("Waits for the connection").waitFor()
    expect(await page.getByText("Try once more").count()).toBe(1)
    await page.evaluate(() => {
      scripted.script.setConnected(true)
      scripted.outbox.flush()
    })
    await page.getByText("Queued").waitFor()
    expect(await page.getByText("Try once more").count()).toBe(1)
    expect(await sent()).toBe(1)
    await page.getByText("Offline.").waitFor({ state: "detached" })
  })

  it("is sent by Enter, and steers a running turn if that is chosen", async () => {
    await open("#/sessions/session1", "text=Now run all tests.")
    await page.getByText("Steer", { exact: true }).click()
    await page.getByLabel("Prompt", { exact: true }).fill("Only the cart")
    await page.keyboard.press("Enter")
    await page.getByText("Steered").waitFor()
    const calls = await page.evaluate(() => scripted.script.calls.filter(({ name }) => name === "turns:send"))
    expect(calls).toMatchObject([{ args: { delivery: "steer", text: "Only the cart" } }])
    await page.keyboard.press("Escape")
    await expect
      .poll(() => page.evaluate(() => scripted.script.calls.some(({ name }) => name === "turns:abort")))
      .toBe(true)
  })
})

describe("hostile text", () => {
  it("shows as text: nothing runs, nothing is loaded, no link leads elsewhere than it says", async () => {
    await open("#/sessions/session1", "text=Run the linter too.")
    await page.locator(".viewport").evaluate((view) => {
      view.scrollTop = 0
    })
    // Until then the text is shown as it is.
    await page.getByRole("link", { name: "pixel" }).waitFor()
    await settled(page)
    expect(await page.locator(".rows img:not(.attachments img), .rows script, .rows iframe").count()).toBe(0)
    const links = await page
      .locator(".rows .markdown a")
      .evaluateAll((all) => all.map((link) => link.getAttribute("href")))
    expect(new Set(links)).toEqual(new Set(["https://example.com/rules", "https://tracker.test/p.png"]))
    expect(await page.locator(".rows").textContent()).toMatch(/<U\+202E>gnp\.exe.*␇/s)
    expect(requested.filter((url) => !url.replace(/^blob:/, "").startsWith(new URL(page.url()).origin))).toEqual([])
  })
})

/** The first row in view, and its place in the list, which is lower while the page shows that it is offline. */
const anchor = () =>
  page.evaluate(() => {
    const view = document.querySelector(".viewport")
    const edge = view?.getBoundingClientRect().top ?? 0
    const slots = [...document.querySelectorAll(".row-slot")]
    const first = slots.find((slot) => slot.getBoundingClientRect().bottom > edge + 40)
    return { text: first?.textContent, top: (first?.getBoundingClientRect().top ?? 0) - edge, rows: slots.length }
  })

describe("a session of 10,000 parts", () => {
  it("mounts at most 40 rows, and does not move when earlier pages are added", async () => {
    await open("?scenario=long#/sessions/session1", ".row-slot")
    await page.locator(".viewport").evaluate((view) => {
      view.scrollTop -= 2_000
    })
    await page.waitForFunction(() => (document.querySelector(".viewport")?.scrollTop ?? 0) > 0)
    const height = () => page.locator(".viewport").evaluate((view) => view.scrollHeight)
    for (let step = 0; step < 5; step += 1) {
      // The next page is read near the start, and arrives when the list is at rest.
      await page.evaluate(() => scripted.script.setConnected(false))
      await page.locator(".viewport").evaluate((view) => {
        view.scrollTop = 700
      })
      await settled(page)
      const [tall, before] = [await height(), await anchor()]
      expect(before.rows).toBeLessThanOrEqual(40)
      await page.evaluate(() => scripted.script.setConnected(true))
      await expect.poll(height, patient).toBeGreaterThan(tall + 1_000)
      await settled(page)
      const after = await anchor()
      expect(after.rows).toBeLessThanOrEqual(40)
      expect(after.text).toBe(before.text)
      expect(Math.abs(after.top - before.top)).toBeLessThanOrEqual(1)
    }
  })

  it("stays at its end while rows become smaller and others grow", async () => {
    await open("#/sessions/session1", "text=Now run all tests.")
    await settled(page)
    const fromEnd = await page.evaluate(async () => {
      const view = document.querySelector(".viewport")
      const [other, last] = [...document.querySelectorAll<HTMLElement>(".row-slot")].slice(-2)
      if (view === null || other === undefined || last === undefined) throw new Error("There are no rows")
      last.style.height = "600px"
      for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame)
      // In this frame the browser moves the list up to its new end. It reports that in the next one, when the end is elsewhere.
      last.style.height = "0px"
      await new Promise<void>((resolve) =>
        setTimeout(() => {
          other.style.height = "2000px"
          resolve()
        })
      )
      for (let frame = 0; frame < 5; frame++) await new Promise(requestAnimationFrame)
      return view.scrollHeight - view.scrollTop - view.clientHeight
    })
    expect(fromEnd).toBeLessThanOrEqual(1)
    expect(await page.getByRole("button", { name: "Latest" }).count()).toBe(0)
  })

  it("changes one row while text streams in", async () => {
    await open("#/sessions/session1", "text=Now run all tests.")
    await page.evaluate(() => scripted.append("turn3", { partId: "s1", kind: "text", text: "It" }))
    const leaf = page.locator(".row-slot", { has: page.locator(".live") })
    await leaf.waitFor()
    // The parts of the page are read one by one, and each of these takes room from the rows.
    for (const part of [".badge", ".waiting-request", ".strip", ".pane.list .item"])
      await page
        .locator(part)
        .first()
        .waitFor({ ...patient, state: "attached" })
    await page.waitForLoadState("networkidle", patient)
    await settled(page)
    const changed = await page.evaluate(async () => {
      const touched = new Set<string>()
      const observer = new MutationObserver((records) => {
        for (const { target } of records) {
          const element = target instanceof Element ? target : target.parentElement
          touched.add(
            element?.closest(".row-slot")?.querySelector(".live") ? "leaf" : (element?.outerHTML.slice(0, 300) ?? "?")
          )
        }
      })
      observer.observe(document.body, { subtree: true, childList: true, characterData: true })
      for (let word = 0; word < 10; word += 1) {
        scripted.append("turn3", { partId: "s1", kind: "text", text: ` w${word}` })
        await new Promise(requestAnimationFrame)
      }
      await new Promise(requestAnimationFrame)
      observer.disconnect()
      return [...touched]
    })
    await page.getByText("w9").waitFor()
    expect(changed).toEqual(["leaf"])
    // Emphasis that begins and ends replaces the text that grew before it.
    for (const text of [" **bold", " text** and `co", "de` and [a li", "nk](https://example.com/x) after"]) {
      await page.evaluate((each) => scripted.append("turn3", { partId: "s1", kind: "text", text: each }), text)
    }
    await page.getByText("after").waitFor()
    expect(await leaf.textContent()).toBe("It w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 bold text and code and a link after")
    expect(await leaf.locator("strong, code, a").allTextContents()).toEqual(["bold text", "code", "a link"])
    const tasks = "\n\n- [x] total\n- [ ] invoice\n\nThe end"
    await page.evaluate((text) => scripted.append("turn3", { partId: "s1", kind: "text", text }), tasks)
    await page.getByText("The end", { exact: true }).waitFor()
    expect((await leaf.locator("li").allTextContents()).map((text) => text.trim())).toEqual(["total", "invoice"])
    expect(await leaf.locator("li input:checked").count()).toBe(1)
  })
})

describe("a machine", () => {
  it("is approved after its directory, its permission mode and its address were shown", async () => {
    await open("#/machines", "text=ci-box")
    await page.getByRole("button", { name: "Add a machine" }).first().click()
    const dialog = page.getByRole("dialog")
    await dialog.getByLabel("Code").fill("ABCD-EFGH")
    await dialog.getByRole("button", { name: "Look it up" }).click()
    await dialog.getByRole("button", { name: "Approve build-box" }).waitFor()
    expect(await dialog.locator(".facts dd").allTextContents()).toEqual([
      "build-box",
      "/srv/shop",
      "inherit: the OpenCode configuration of its machine decides",
      "203.0.113.7"
    ])
    await dialog.getByRole("button", { name: "Approve build-box" }).click()
    await page.getByRole("heading", { name: "studio" }).waitFor()
    const approvals = () =>
      page.evaluate(() =>
        scripted.script.calls.filter(({ name }) => name === "pairing:approve").map(({ args }) => args)
      )
    expect(await approvals()).toEqual([{ code: "ABCD-EFGH" }])
  })
})

describe("the keyboard", () => {
  it("opens the palette, finds a session and goes there", async () => {
    await open("#/inbox", "text=Allow once")
    await page.keyboard.press("Control+k")
    await page.getByRole("combobox").waitFor()
    await page.keyboard.type("pricing")
    await page.keyboard.press("Enter")
    await page.getByRole("heading", { name: "New pricing page" }).waitFor()
    expect(await page.evaluate(() => location.hash)).toBe("#/sessions/session2")
  })

  it("moves through a list by j and k", async () => {
    await open("#/sessions", ".items .item")
    const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    expect(await focused()).toContain("New pricing page")
    await page.keyboard.press("k")
    expect(await focused()).toContain("Fix checkout rounding")
  })
})
