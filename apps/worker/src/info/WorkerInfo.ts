/**
 * The facts that the list of workers shows: releases, branch, permissions, disk. Collected every 30 s, and sent only when one
 * has changed; sizes are rounded, so that they seldom do.
 */
import { stat, statfs } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { api, isLoss, Lease } from "@opencode-worker/convex-sync"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect, Option, Schedule } from "effect"
import { branchOf } from "./branch.ts"

/** The facts that do not change while the worker runs. */
export interface AboutWorker {
  readonly version: string
  /** The permission mode. */
  readonly permissions: string
  /** OpenCode's environment, in which its database is found. Absent for a server that was attached to. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
}

const gigabyte = 1_000_000_000
const interval = "30 seconds"

const rounded = (bytes: number, step: number): number => Math.round(bytes / step) * step

const diskFree = async (directory: string): Promise<number | null> => {
  try {
    const { bavail, bsize } = await statfs(directory)
    return rounded(bavail * bsize, gigabyte)
  } catch {
    return null
  }
}

const sizeOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => 0
  )

/** Of OpenCode's database with its log, which all directories of the user share. */
const databaseBytes = async ({ environment }: AboutWorker): Promise<number | null> => {
  if (environment === undefined) return null
  const { HOME, XDG_DATA_HOME } = environment
  const data = XDG_DATA_HOME ?? join(HOME ?? homedir(), ".local", "share")
  const file = join(data, "opencode", "opencode.db")
  return rounded((await sizeOf(file)) + (await sizeOf(`${file}-wal`)), gigabyte / 100)
}

/** Reports until the lease is lost. `shell`: whether the worker runs shell commands of operators. */
export const reportInfo = Effect.fnUntraced(function* (about: AboutWorker, shell: boolean) {
  const lease = yield* Lease
  const host = yield* OpenCodeHost
  // Read once per process: `server` counts as a use, which postpones the idle timeout.
  let opencodeVersion: string | null = null
  let sent = ""
  const collect = Effect.gen(function* () {
    const running = yield* host.ifRunning(() =>
      opencodeVersion === null
        ? Effect.map(host.server, ({ version }) => {
            opencodeVersion = version
          })
        : Effect.void
    )
    return {
      version: about.version,
      opencode: { version: opencodeVersion, state: Option.isSome(running) ? "running" : "stopped" },
      branch: yield* Effect.promise(() => branchOf(host.directory)),
      permissions: about.permissions,
      shell,
      diskFree: yield* Effect.promise(() => diskFree(host.directory)),
      databaseBytes: yield* Effect.promise(() => databaseBytes(about))
    }
  })
  const report = Effect.gen(function* () {
    const info = yield* collect
    const now = JSON.stringify(info)
    if (now === sent) return
    yield* lease.mutation(api.workers.report, { info })
    sent = now
  })
  yield* report.pipe(
    Effect.catchTag("HostError", () => Effect.void),
    Effect.catchIf(
      (error) => !isLoss(error),
      ({ message }) => Effect.logWarning("The state of the worker could not be reported", message)
    ),
    Effect.repeat(Schedule.spaced(interval))
  )
})
