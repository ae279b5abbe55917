import { setTimeout as sleep } from "node:timers/promises"

/**
 * Milliseconds. A loaded machine boots OpenCode slowly, and the lease of a process that is silent lasts. A condition that
 * does not hold by then never holds.
 */
export const limitMillis = 90_000

/** Waits for a condition that another process brings about. `details` is added to the error. */
export const until = async (
  holds: () => boolean | Promise<boolean>,
  what: string,
  details: () => string = () => ""
): Promise<void> => {
  const deadline = performance.now() + limitMillis
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${limitMillis} ms for ${what}\n${details()}`)
    await sleep(20)
  }
}
