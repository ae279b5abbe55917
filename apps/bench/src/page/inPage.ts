/** Measurements that run in the page, as the text of functions: they see its elements in each frame. */

/** Collects layout shifts that no input of the user has caused, before any script of the page runs. */
export const recordShifts = `globalThis.benchShift = 0; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) benchShift += entry.value
}).observe({ type: "layout-shift", buffered: true })`

/** Elements that the page has mounted, and the shift of its layout so far. */
export const mounted = `({
  rows: document.querySelectorAll(".row-slot").length,
  nodes: document.querySelectorAll("*").length,
  shift: Math.round(benchShift * 10_000) / 10_000
})`

/**
 * Scrolls near the start of the list, and observes the first row in view until earlier rows were added and the list is at
 * rest, or there are no earlier ones. Returns the largest distance in pixels that the row moved (-1 if it is gone), the most
 * rows that were mounted, and whether the first row of the session is there.
 */
export const prependPage = `(async () => {
  const frame = () => new Promise(requestAnimationFrame)
  const slots = () => [...document.querySelectorAll(".row-slot")]
  const view = document.querySelector(".viewport")
  const tall = view.scrollHeight
  view.scrollTop = 250
  const { bottom, top: edge } = view.getBoundingClientRect()
  const isInView = (slot) => slot.getBoundingClientRect().bottom > edge + 40 && slot.getBoundingClientRect().top < bottom
  // The rows at the new place are mounted in one of the next frames.
  let first
  while (first === undefined) {
    await frame()
    first = slots().find(isInView)
  }
  const top = first.getBoundingClientRect().top
  let [moved, rows, still, last, isAtStart] = [0, 0, 0, 0, false]
  const limit = performance.now() + 60_000
  while (still < 10 || (view.scrollHeight === tall && !isAtStart)) {
    if (performance.now() > limit) throw new Error("No earlier rows were added: " + document.body.innerText.slice(0, 600))
    await frame()
    moved = Math.max(moved, Math.abs(first.getBoundingClientRect().top - top))
    const mounted = slots()
    rows = Math.max(rows, mounted.length)
    isAtStart = mounted[0].textContent === "Prompt 0"
    still = view.scrollHeight === last ? still + 1 : 0
    last = view.scrollHeight
  }
  return { moved: first.isConnected ? moved : -1, rows, isAtStart }
})()`

/** Begins to count the rows whose elements change. \`countChanged\` ends it. */
export const beginCount = `globalThis.benchRows = new Set(); globalThis.benchObserver = new MutationObserver((records) => {
  for (const { target } of records) {
    const element = target instanceof Element ? target : target.parentElement
    const slot = element?.closest(".row-slot")
    if (slot) benchRows.add(slot)
  }
}); benchObserver.observe(document.querySelector(".rows"), { subtree: true, childList: true, characterData: true })`

export const countChanged = `(() => { benchObserver.disconnect(); return benchRows.size })()`
