/**
 * Linux control groups (cgroup v2) that contain a server with everything that it starts: no process leaves its group by
 * a fork, a new session or an empty environment, and `cgroup.kill` ends all of them at once.
 *
 * ```
 * own group writable (root, a desktop's terminal, a delegated service)   mkdir GROUP/opencode-host-ID
 * else a user's systemd                                                 scope opencode-host-ID-N.scope
 * else                                                                  none: see processMemory.ts
 * ```
 */
import { execFile } from "node:child_process"
import { constants } from "node:fs"
import { access, mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { variable } from "../server/environment.ts"

/** Its name is a mark that no process can drop. */
export const groupName = (hostId: string) => `opencode-host-${hostId}`

export interface Containment {
  /** Moves a process that was just spawned; its group's folder. None: it was not moved. */
  readonly enclose: (pid: number) => Effect.Effect<Option.Option<string>>
}

/** None: this machine, or this user, has no usable control groups. Its folder, where it needs one, goes with the scope. */
export const makeContainment = Effect.fnUntraced(function* (hostId: string) {
  if (process.platform !== "linux") return Option.none<Containment>()
  const parent = yield* Effect.promise(ownFolder)
  if (parent !== undefined) {
    const folder = join(parent, groupName(hostId))
    const made = yield* Effect.acquireRelease(
      Effect.promise(() => make(parent, folder)),
      () => Effect.promise(() => removeFolder(folder))
    )
    if (made) return Option.some<Containment>({ enclose: (pid) => Effect.promise(() => move(folder, pid)) })
  }
  return Option.map(yield* userManager, (environment): Containment => {
    let count = 0
    return { enclose: (pid) => encloseInScope(`${groupName(hostId)}-${++count}.scope`, pid, environment) }
  })
})

const move = (folder: string, pid: number) =>
  writeFile(join(folder, "cgroup.procs"), String(pid)).then(
    () => Option.some(folder),
    () => Option.none<string>()
  )

/** The kernel's checks of a move: both `cgroup.procs` writable, and no threaded group. */
const make = async (parent: string, folder: string) => {
  try {
    await mkdir(folder)
    const needed = [join(parent, "cgroup.procs"), join(folder, "cgroup.procs"), join(folder, "cgroup.kill")]
    await Promise.all(needed.map((file) => access(file, constants.W_OK)))
    if ((await readFile(join(folder, "cgroup.type"), "latin1")).trim() === "domain") return true
  } catch {
    // Not ours to change: a container's read-only tree, or a session of another manager.
  }
  await removeFolder(folder)
  return false
}

/** Ends everything in a host's group, and the groups that were made in it. */
export const killGroup = async (folder: string): Promise<void> => {
  await writeFile(join(folder, "cgroup.kill"), "1").catch(() => {})
}

/** A killed process stays in its group for a moment after it has left the list of processes. */
const removeFolder = async (folder: string): Promise<void> => {
  for (let round = 0; round < 40 && !(await removed(folder)); round++) await setTimeout(50)
}

/** Removes the empty group of a host that died, with its guard, before it could do it. */
export const removeGroup = (hostId: string) =>
  Effect.promise(async () => {
    const parent = process.platform === "linux" ? await ownFolder() : undefined
    if (parent !== undefined) await removeFolder(join(parent, groupName(hostId)))
  })

const removed = async (folder: string): Promise<boolean> => {
  const below = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of below) if (entry.isDirectory()) await removed(join(folder, entry.name))
  return rmdir(folder).then(
    () => true,
    (cause: unknown) => !(cause instanceof Error && "code" in cause && cause.code === "EBUSY")
  )
}

/** The folder of this process's own group. */
const ownFolder = () => folderOf("self")

/** The folder of a process's group, where the unified hierarchy is mounted. */
const folderOf = async (pid: number | "self"): Promise<string | undefined> => {
  const [groups, mounts] = await Promise.all(
    [`/proc/${pid}/cgroup`, "/proc/self/mountinfo"].map((file) => readFile(file, "utf8").catch(() => ""))
  )
  return placeOf(groups ?? "", mounts ?? "")
}

/** The same from the text of both files. Pure. */
export const placeOf = (groups: string, mounts: string): string | undefined => {
  const path = /^0::(\/.*)$/m.exec(groups)?.[1]
  const mount = mounts
    .split("\n")
    .map((line) => / (\/\S*) (\/\S*) .* - cgroup2 /.exec(line))
    .find((match) => match !== null)
  if (path === undefined || mount?.[1] === undefined || mount[2] === undefined || path.includes("/..")) return undefined
  const [, root, point] = mount
  const unescaped = point.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
  if (root === "/") return join(unescaped, path)
  return path === root || path.startsWith(`${root}/`) ? join(unescaped, path.slice(root.length)) : undefined
}

/** The variables with which `busctl --user` finds the user's systemd; none if there is no sign of it. */
const userManager = Effect.gen(function* () {
  const [runtime, bus, path] = yield* Effect.forEach(["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "PATH"], variable)
  if (runtime === undefined || Option.isNone(runtime)) return Option.none()
  const folder = join(runtime.value, "systemd", "private")
  const runs = yield* Effect.promise(() =>
    access(folder).then(
      () => true,
      () => false
    )
  )
  return runs
    ? Option.some({
        PATH: Option.getOrElse(path ?? Option.none(), () => "/usr/bin:/bin"),
        XDG_RUNTIME_DIR: runtime.value,
        ...(bus === undefined || Option.isNone(bus) ? {} : { DBUS_SESSION_BUS_ADDRESS: bus.value })
      })
    : Option.none()
})

/** As `systemd-run --user --scope` does, for a process that runs already. */
const encloseInScope = Effect.fnUntraced(function* (unit: string, pid: number, env: Record<string, string>) {
  const call = [
    "--user",
    "call",
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
    "StartTransientUnit",
    "ssa(sv)a(sa(sv))",
    unit,
    "fail",
    "1",
    "PIDs",
    "au",
    "1",
    String(pid),
    "0"
  ]
  yield* Effect.callback<void>((resume) => {
    execFile("busctl", call, { env, timeout: 5_000 }, () => resume(Effect.void))
  })
  // The manager has taken the job when the call returns, and moves the process a moment later.
  const moved = Effect.promise(async () => {
    const folder = await folderOf(pid)
    return folder?.includes(`/${unit}`) === true ? folder : undefined
  })
  const folder = yield* Effect.repeat(moved, {
    until: (found) => found !== undefined,
    schedule: Schedule.spaced("20 millis"),
    times: 50
  })
  return Option.fromNullishOr(folder)
})
