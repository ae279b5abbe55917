/** The id that lets a process take over the lease of its dead predecessor at once. */
import { createHash } from "node:crypto"
import { hostname } from "node:os"
import { Effect, FileSystem } from "effect"
import { UserDirectories } from "effect/persistence"

/**
 * Processes have the same id if at most one of them can host `directory` at a time. The process that hosts it may then take
 * over its predecessor's lease at once, also after a reboot. Other processes wait until the lease expires.
 *
 * A lock in the state directory prevents a second host; it identifies its holder by the pid. So the id covers what that lock
 * covers: the machine, the pid namespace (a container has its own), the state directory and the directory. No file
 * identifies a machine, because a copied folder, image or disk contains it too, `/etc/machine-id` included; so the host name
 * is part of the id. If the host name is copied as well, the lease's epoch prevents concurrent writes.
 */
export const processIdIn = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const { state } = yield* UserDirectories.UserDirectories
  const known = yield* Effect.all([
    fs.readFileString("/etc/machine-id").pipe(Effect.orElseSucceed(() => "")),
    fs.readLink("/proc/self/ns/pid").pipe(Effect.orElseSucceed(() => "")),
    state("opencode-worker")
  ])
  // Hashed, because a machine id is confidential, and a path can be longer than a process id.
  const hash = createHash("sha256").update(JSON.stringify([hostname(), ...known, directory]))
  return `start ${hash.digest("hex")}`
})
