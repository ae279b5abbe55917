import type { Page } from "@opencode-worker/harness/browser"

/** Waits until the page has drawn ten frames without a change. */
export const settled = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    let still = 0
    const observer = new MutationObserver(() => {
      still = 0
    })
    observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true })
    while (still < 10) {
      still += 1
      await new Promise(requestAnimationFrame)
    }
    observer.disconnect()
  })
