/** The agents and commands that the directory of a machine offers. */
import type { Catalog, WorkerId } from "@opencode-worker/client"
import { useSyncExternalStore } from "react"
import { useServices } from "../app/Services.ts"
import { once, type Result } from "./Sources.ts"

const unread: Result<Catalog | null> = { value: undefined, error: undefined, isCopy: false }
const readUnread = () => unread
const noUpdates = () => () => undefined

/** The catalogue of a machine, read when it is wanted first, and kept for the time without a network. Null if the machine has published none. */
export const useCatalog = (workerId: WorkerId | null, isWanted = true): Result<Catalog | null> => {
  const { sources } = useServices()
  const source =
    workerId === null || !isWanted
      ? null
      : sources.get(
          `catalog:${workerId}`,
          once(({ catalog }, signal) => catalog.get(workerId, { signal })),
          true
        )
  return useSyncExternalStore(source?.subscribe ?? noUpdates, source?.result ?? readUnread)
}
