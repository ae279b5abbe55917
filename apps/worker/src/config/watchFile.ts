/** Watches a file by its modification time and size: editors replace files, which ends other watches. */
import { unwatchFile, watchFile as watch } from "node:fs"
import { Effect } from "effect"

const interval = 2_000

/** Runs `onChange` at each change, until the scope closes. */
export const watchFile = (file: string, onChange: () => void) =>
  Effect.acquireRelease(
    Effect.sync(() => watch(file, { interval, persistent: false }, onChange)),
    () => Effect.sync(() => unwatchFile(file, onChange))
  )
