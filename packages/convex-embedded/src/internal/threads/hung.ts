/**
 * Whether the code of a function holds its thread. On a machine without a free core a thread waits for a processor, and that is
 * no fault of the function: so a thread is hung when it has computed for half of the limit, or did not pause for many limits.
 */
import type { WatchdogReading } from "../engine/watchdog-state.ts"
import type { Thread } from "./thread.ts"

const MOST_LIMITS = 6

/** `waited`: the milliseconds without a pause, at least `limit`. */
export const isHung = async (
  thread: Pick<Thread<never>, "processorMillis">,
  { processorMillis }: WatchdogReading,
  { limit, waited }: { readonly limit: number; readonly waited: number }
): Promise<boolean> => {
  if (waited >= MOST_LIMITS * limit) return true
  const used = await thread.processorMillis(limit)
  return used !== undefined && used - processorMillis >= limit / 2
}
