/** Who may follow a dead process's lease at once. */
import { createHash } from "node:crypto"
import { hostname } from "node:os"
import { Effect, FileSystem } from "effect"
import { UserDirectories } from "effect/persistence"

/**
 * The same for all processes of which one at most can host `directory`, so whoever hosts it may take the lease that its
 * predecessor left, also after a reboot. Others wait until the lease has run out.
 *
 * What keeps a second host out is a lock in the state directory that knows its holder by the pid. So the id stands for what
 * that lock covers, and no more: the machine, the pid namespace (a container has its own), the state directory, the
 * directory. Nothing in a file tells machines apart, because a copied folder, image or disk has it, too, as it has
 * `/etc/machine-id`; so the host's name counts as well. Who has copied that, too, is kept from writing beside the other by
 * the lease's epoch.
 */
export const processIdIn = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const { state } = yield* UserDirectories.UserDirectories
  const known = yield* Effect.all([
    fs.readFileString("/etc/machine-id").pipe(Effect.orElseSucceed(() => "")),
    fs.readLink("/proc/self/ns/pid").pipe(Effect.orElseSucceed(() => "")),
    state("opencode-worker")
  ])
  // Hashed: a machine id is not for others to read, and paths can be longer than a process id.
  const hash = createHash("sha256").update(JSON.stringify([hostname(), ...known, directory]))
  return `start ${hash.digest("hex")}`
})
