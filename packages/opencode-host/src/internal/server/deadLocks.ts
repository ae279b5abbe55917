/**
 * Removes the locks of an OpenCode that was killed.
 *
 * OpenCode holds `<state>/opencode/locks/<name>.lock` while it installs the packages of a configuration folder. The next one
 * takes over the lock of a dead process only when it is 60 seconds old, and until then handles no request of a
 * directory (1.18.33).
 */
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises"
import { homedir, hostname } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { startTime } from "../process/processes.ts"

/** Milliseconds in which a living OpenCode names itself in a lock that it made. */
const namedWithin = 2_000
/** Milliseconds. Start times are exact to a clock tick, and the clock may have been set. */
const tolerance = 2_000

const locksOf = (environment: Readonly<Record<string, string>>) => {
  const state = environment["XDG_STATE_HOME"] || join(environment["HOME"] || homedir(), ".local", "state")
  return join(state, "opencode", "locks")
}

export const removeDeadLocks = (environment: Readonly<Record<string, string>>): Effect.Effect<void> =>
  Effect.promise(async () => {
    const folder = locksOf(environment)
    const names = await readdir(folder).catch(() => [])
    const locks = names.filter((name) => name.endsWith(".lock")).map((name) => join(folder, name))
    // A lock that cannot be removed delays the server, and does not stop it.
    await Promise.all(locks.map((lock) => removeIfDead(lock).catch(() => {})))
  })

const removeIfDead = async (lock: string) => {
  if (!(await isDead(lock))) return
  // Excludes an OpenCode that takes over the lock at the same time, which makes this folder too.
  const breaker = `${lock}.breaker`
  await mkdir(breaker, { mode: 0o700 })
  try {
    if (await isDead(lock)) await rm(lock, { recursive: true, force: true })
  } finally {
    await rm(breaker, { recursive: true, force: true })
  }
}

/** A lock of another machine, which shares the folder, counts as held. */
const isDead = async (lock: string): Promise<boolean> => {
  const owner = await ownerOf(lock)
  if (owner === undefined) return isUnnamed(lock)
  if (owner.hostname !== hostname()) return false
  const started = await startTime(owner.pid)
  return started === undefined || started > owner.createdAt + tolerance
}

/** The owner was killed before it wrote its name. */
const isUnnamed = async (lock: string): Promise<boolean> => {
  const folder = await stat(lock)
  if (!folder.isDirectory()) return false
  // Not Effect's clock: the time of a file is real time.
  const age = Date.now() - folder.mtimeMs
  if (age < namedWithin) await setTimeout(namedWithin - age)
  return (await ownerOf(lock)) === undefined
}

const ownerOf = async (lock: string) => {
  const text = await readFile(join(lock, "meta.json"), "utf8").catch(() => "")
  try {
    const owner: unknown = JSON.parse(text)
    if (!Predicate.isObject(owner)) return undefined
    const { createdAt, hostname: host, pid } = owner as Readonly<Record<string, unknown>>
    if (!Predicate.isNumber(pid) || !Predicate.isString(host) || !Predicate.isString(createdAt)) return undefined
    return { pid, hostname: host, createdAt: Date.parse(createdAt) }
  } catch {
    return undefined
  }
}
