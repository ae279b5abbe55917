/**
 * One host per directory, across processes: a file that names its holder by pid, start time and program. A holder that
 * is dead, or whose pid went to another process, is taken over, after what it left running has been ended.
 */
import { createHash, randomUUID } from "node:crypto"
import { constants, copyFile, link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { HostError } from "../../HostError.ts"
import { DirectoryInUse, StartFailed } from "../../HostErrorReason.ts"
import { isSameProcess, type ProcessIdentity, processIdentity, killAll } from "../process/processes.ts"
import { removeGroup } from "../process/controlGroup.ts"
import { removeFolders } from "./secretPreload.ts"

interface Holder extends ProcessIdentity {
  readonly hostId: string
  readonly pid: number
  readonly directory: string
  /** Epoch ms. */
  readonly since: number
}

const texts = ["hostId", "started", "command", "directory"] as const

const isHolder = (value: unknown): value is Holder =>
  Predicate.isObject(value) &&
  texts.every((name) => Predicate.isString(Reflect.get(value, name))) &&
  ["pid", "since"].every((name) => Number.isFinite(Reflect.get(value, name)))

/** None: the text is not whole, or another program's. */
const decodeHolder = (text: string): Option.Option<Holder> => {
  try {
    return Option.liftPredicate(isHolder)(JSON.parse(text))
  } catch {
    return Option.none()
  }
}

/** Holds the lock of `directory` until the scope closes. Fails with `DirectoryInUse`. */
export const holdDirectory = Effect.fnUntraced(function* (options: {
  readonly stateDirectory: string
  readonly directory: string
  readonly hostId: string
}) {
  const folder = join(options.stateDirectory, "hosts")
  const name = createHash("sha256").update(options.directory).digest("hex").slice(0, 32)
  const file = join(folder, `${name}.json`)
  const holder: Holder = {
    hostId: options.hostId,
    pid: process.pid,
    ...((yield* processIdentity(process.pid)) ?? { started: "", command: "" }),
    directory: options.directory,
    since: yield* Clock.currentTimeMillis
  }
  yield* onDisk(file, () => mkdir(folder, { recursive: true, mode: 0o700 }))
  yield* Effect.acquireRelease(acquire(file, holder), () => release(file, options.hostId))
})

/** Two processes that both find a dead holder need one more round. More rounds mean an unusable file system. */
const rounds = 5

const acquire = Effect.fnUntraced(function* (file: string, holder: Holder) {
  for (let round = 0; round < rounds; round++) {
    if (yield* create(file, holder)) return
    const current = yield* read(file)
    if (Option.isSome(current)) {
      const { pid } = current.value
      const living = yield* processIdentity(pid)
      if (living !== undefined && isSameProcess(living, current.value)) {
        const { directory } = holder
        const isThisProcess = pid === process.pid
        const reason = new DirectoryInUse({ directory, pid, isThisProcess, lockFile: file })
        return yield* new HostError({ reason })
      }
      yield* killAll(current.value.hostId)
      yield* removeFolders(current.value.hostId)
      yield* removeGroup(current.value.hostId)
    }
    yield* discard(file, current)
  }
  return yield* failed(file, "it cannot be taken over")
})

const isTaken = (cause: unknown) => cause instanceof Error && "code" in cause && cause.code === "EEXIST"

/**
 * Renames a written file to a name that must be free. A link appears with its content or not at all; file systems without
 * links (exFAT, SMB, virtiofs) refuse it with various errors, and there a copy takes the name.
 */
const publish = (written: string, file: string) =>
  link(written, file).catch((cause) => {
    if (isTaken(cause)) throw cause
    return copyFile(written, file, constants.COPYFILE_EXCL)
  })

const create = (file: string, holder: Holder) =>
  onDisk(file, async () => {
    const draft = `${file}.${randomUUID()}`
    await writeFile(draft, JSON.stringify(holder), { mode: 0o600 })
    try {
      await publish(draft, file)
      return true
    } catch (cause) {
      if (isTaken(cause)) return false
      throw cause
    } finally {
      await rm(draft, { force: true })
    }
  })

/** A copy is empty for microseconds, unless its process dies in them. Looks that often, milliseconds apart. */
const looks = 100
const betweenLooks = 5

/** None: there is no file, or its process died before it was whole. */
const readHolder = async (file: string): Promise<Option.Option<Holder>> => {
  for (let look = 1; ; look++) {
    const text = await readFile(file, "utf8").catch(() => undefined)
    if (text === undefined) return Option.none()
    const holder = decodeHolder(text)
    if (Option.isSome(holder) || look === looks) return holder
    await setTimeout(betweenLooks)
  }
}

const read = (file: string) => Effect.promise(() => readHolder(file))

/** Moves the dead holder's file away, and back again if a rival has put its own there in between. */
const discard = (file: string, dead: Option.Option<Holder>) =>
  onDisk(file, async () => {
    const aside = `${file}.${randomUUID()}`
    await rename(file, aside).catch(() => {})
    const moved = await readHolder(aside)
    const isDead = Option.isNone(moved) || (Option.isSome(dead) && moved.value.hostId === dead.value.hostId)
    if (!isDead) await publish(aside, file).catch(() => {})
    await rm(aside, { force: true })
  })

const release = (file: string, hostId: string) =>
  Effect.flatMap(read(file), (current) =>
    Option.isSome(current) && current.value.hostId === hostId
      ? Effect.promise(() => rm(file, { force: true }).catch(() => {}))
      : Effect.void
  )

const failed = (file: string, detail: string) =>
  new HostError({ reason: new StartFailed({ problem: `the lock file ${file} is not usable: ${detail}`, output: [] }) })

const onDisk = <A>(file: string, run: () => Promise<A>): Effect.Effect<A, HostError> =>
  Effect.tryPromise({ try: run, catch: (cause) => failed(file, String(cause)) })
