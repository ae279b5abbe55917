/**
 * The user's own OpenCode, the `opencode` in `PATH`. It shares its database with a hosted one, and each version migrates the
 * database to its own format: a much older version cannot read it afterwards.
 */
import { execFile } from "node:child_process"
import { access, constants, readFile, realpath } from "node:fs/promises"
import { delimiter, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

export interface OwnOpenCode {
  readonly path: string
  /** Null if it is unknown. */
  readonly version: string | null
}

/** Older versions may not read the database of a hosted one. */
const oldest = "1.18.0"

const isVersion = (text: string) => /^\d+\.\d+\.\d+$/.test(text)
const numbers = (version: string) => version.split(".").map(Number)

/** Whether the first version is older. */
export const isOlder = (one: string, other: string): boolean => {
  const [left, right] = [numbers(one), numbers(other)]
  const at = left.findIndex((part, index) => part !== right[index])
  return at !== -1 && (left[at] ?? 0) < (right[at] ?? 0)
}

/** Which of two binaries hosts, and the warning that the user needs. Pure. */
export const choose = (own: OwnOpenCode, installed: string): { readonly isOwn: boolean; readonly warning?: string } => {
  const { path, version } = own
  if (version === null || !isOlder(installed, version)) return { isOwn: false, ...warningOf(own) }
  if (version.startsWith("1.")) return { isOwn: true }
  return { isOwn: false, warning: `${path} is OpenCode ${version}, which is not supported: ${installed} is used.` }
}

/** Of an own OpenCode that may fail once a hosted one has migrated the database. Pure. */
export const warningOf = ({ path, version }: OwnOpenCode): { readonly warning?: string } =>
  version === null || !isOlder(version, oldest)
    ? {}
    : {
        warning: `${path} is OpenCode ${version}, older than the one of this worker, which migrates the database that both use. Upgrade yours (opencode upgrade): it may fail otherwise.`
      }

/** The version in the manifest of the npm package that contains the program. */
const packagedVersion = async (path: string): Promise<string | null> => {
  try {
    const manifest: unknown = JSON.parse(
      await readFile(join(dirname(await realpath(path)), "..", "package.json"), "utf8")
    )
    if (!Predicate.hasProperty(manifest, "name") || !Predicate.hasProperty(manifest, "version")) return null
    return String(manifest.name).startsWith("opencode") ? String(manifest.version) : null
  } catch {
    return null
  }
}

/** The start of the program costs a second, so its package is read first. */
const versionOf = async (path: string): Promise<string | null> => {
  const packaged = await packagedVersion(path)
  if (packaged !== null) return packaged
  return new Promise((resolve) =>
    execFile(path, ["--version"], { timeout: 10_000 }, (_, stdout) => {
      const version = stdout.trim()
      resolve(isVersion(version) ? version : null)
    })
  )
}

/** The first `opencode` in a list of folders. */
export const pathIn = async (folders: string): Promise<string | undefined> => {
  for (const folder of folders.split(delimiter).filter((name) => name !== "")) {
    const path = join(folder, "opencode")
    const isProgram = await access(path, constants.X_OK).then(
      () => true,
      () => false
    )
    if (isProgram) return path
  }
  return undefined
}

/** The `opencode` in these folders, and its version. Undefined if there is none. */
export const find = (folders: string): Effect.Effect<OwnOpenCode | undefined> =>
  Effect.promise(async () => {
    const path = await pathIn(folders)
    return path === undefined ? undefined : { path, version: await versionOf(path) }
  })
