/** Checks of the machine: Node.js, disk, temporary folder, the directory and git. */
import { accessSync, constants, statfsSync } from "node:fs"
import { tmpdir } from "node:os"
import { Effect } from "effect"
import { outputOf } from "../info/outputOf.ts"
import { bytes, check, type Finding, ok, problem, warning } from "./Finding.ts"

const node = Effect.sync(() => ok("node", process.version))

const little = 200_000_000
const scarce = 2_000_000_000

/** The free space of the file system of each folder. */
const disk = (folders: Readonly<Record<string, string>>) =>
  Effect.sync(() =>
    Object.entries(folders).map(([use, folder]): Finding => {
      const name = `disk (${use})`
      try {
        const { bavail, bsize } = statfsSync(folder)
        const free = bavail * bsize
        const detail = `${bytes(free)} free at ${folder}`
        if (free < little) return problem(name, detail, "Free some space: OpenCode and the deployment write there")
        return free < scarce ? warning(name, detail, "Free some space before it is used up") : ok(name, detail)
      } catch {
        return problem(name, `${folder} cannot be read`, "Create the folder, or correct its permissions")
      }
    })
  )

const temporary = Effect.sync(() => {
  const folder = tmpdir()
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return ok("temporary folder", folder)
  } catch {
    return problem("temporary folder", `${folder} cannot be written`, "Set TMPDIR to a folder that you can write")
  }
})

const git = Effect.fnUntraced(function* (directory: string) {
  const version = yield* outputOf("git", ["--version"])
  if (version === null) {
    return warning("git", "not found", "Install git: without it OpenCode can neither undo changes nor show them")
  }
  const inside = yield* outputOf("git", ["rev-parse", "--is-inside-work-tree"], directory)
  return inside === "true"
    ? ok("git", `${version}, a repository`)
    : warning("git", `${directory} is no repository`, "Run git init there: otherwise OpenCode cannot undo changes")
})

export const machineChecks = (options: {
  readonly directory: string
  readonly data: string
  readonly home: string
}) => [
  check("node", node),
  check("disk", disk({ data: options.data, OpenCode: options.home, temporary: tmpdir() })),
  check("temporary folder", temporary),
  check("git", git(options.directory))
]
