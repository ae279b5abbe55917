import { createHash } from "node:crypto"
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { OpenCodeHost } from "../src/index.ts"
import { removeDeadLocks } from "../src/internal/server/deadLocks.ts"

/** Above the largest pid of Linux. */
const deadPid = 2 ** 22 + 1

const makeLock = (lock: string, owner?: Readonly<Record<string, unknown>>) =>
  Effect.promise(async () => {
    await mkdir(lock, { recursive: true })
    if (owner === undefined) return
    const meta = { token: "a", hostname: hostname(), createdAt: new Date().toISOString(), ...owner }
    await writeFile(join(lock, "heartbeat"), "")
    await writeFile(join(lock, "meta.json"), JSON.stringify(meta))
  })

const locksOf = (environment: Readonly<Record<string, string>>) =>
  join(environment["XDG_STATE_HOME"] ?? "", "opencode", "locks")

describe("the locks of an OpenCode that was killed", () => {
  it.live("are removed, and those of living and of foreign processes stay", () =>
    Effect.gen(function* () {
      const { environment } = yield* OpenCodeHome.make({ git: false })
      const folder = locksOf(environment)
      const lock = (name: string) => join(folder, name)
      yield* removeDeadLocks(environment)
      yield* makeLock(lock("dead.lock"), { pid: deadPid })
      yield* makeLock(lock("reused.lock"), { pid: process.pid, createdAt: "2020-01-01T00:00:00.000Z" })
      yield* makeLock(lock("unnamed.lock"))
      yield* Effect.promise(() => utimes(lock("unnamed.lock"), new Date(0), new Date(0)))
      yield* makeLock(lock("living.lock"), { pid: process.pid })
      yield* makeLock(lock("elsewhere.lock"), { pid: deadPid, hostname: `not-${hostname()}` })
      yield* makeLock(lock("broken.lock"), { pid: deadPid })
      yield* makeLock(lock("broken.lock.breaker"))
      yield* Effect.promise(() => writeFile(lock("file.lock"), ""))
      yield* removeDeadLocks(environment)
      const left = yield* Effect.promise(() => readdir(folder))
      assert.sameMembers(left, ["living.lock", "elsewhere.lock", "broken.lock", "broken.lock.breaker", "file.lock"])
    })
  )

  it.live("do not delay the next server", () =>
    Effect.gen(function* () {
      // An installation is what the lock protects.
      const home = yield* OpenCodeHome.make({ git: false, pluginPackage: true })
      const { directory, environment } = home
      const configuration = join(environment["XDG_CONFIG_HOME"] ?? "", "opencode")
      const name = createHash("sha1").update(`npm-install:${configuration}`).digest("hex")
      const lock = join(locksOf(environment), `${name}.lock`)
      yield* makeLock(lock, { pid: deadPid })
      // OpenCode waits until the heartbeat is 60 s old, so it would wait longer than this test.
      const later = new Date(Date.now() + 3_600_000)
      yield* Effect.promise(() => utimes(join(lock, "heartbeat"), later, later))
      const options = { directory, environment, stateDirectory: join(home.root, "state"), alwaysAsk: true }
      const answer = Effect.flatMap(OpenCodeHost, ({ client }) => client.sessions.list())
      assert.deepStrictEqual(yield* Effect.provide(answer, OpenCodeHost.layer(options)), [])
    })
  )
})
