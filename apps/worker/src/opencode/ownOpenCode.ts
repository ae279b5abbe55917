/** The user's own OpenCode, which shares its database with the hosted one. */
import { access, constants } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { Effect } from "effect"
import { outputOf } from "../info/outputOf.ts"

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false
  )

const inPath = async (): Promise<string | undefined> => {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "opencode")
    if (folder !== "" && (await isProgram(path))) return path
  }
  return undefined
}

/** The `opencode` in PATH and its version, null if it is unknown. Undefined if there is none. */
export const ownOpenCode = Effect.gen(function* () {
  const path = yield* Effect.promise(inPath)
  if (path === undefined) return undefined
  const version = yield* outputOf(path, ["--version"])
  return { path, version: version !== null && /^\d+\.\d+\.\d+$/.test(version) ? version : null }
})

const numbers = (version: string) => version.split(".").map(Number)

/** Whether the first version is older. */
export const isOlder = (one: string, other: string): boolean => {
  const [left, right] = [numbers(one), numbers(other)]
  const at = left.findIndex((part, index) => part !== right[index])
  return at !== -1 && (left[at] ?? 0) < (right[at] ?? 0)
}

/** The oldest version that a worker hosts. */
const oldest = "1.18.0"

/** Warns if the user's own OpenCode may fail once the hosted one has migrated the database. `hosted`: a chosen binary. */
export const warnOfOlderOpenCode = Effect.fnUntraced(function* (hosted: string | undefined) {
  const own = yield* ownOpenCode
  if (own === undefined || own.version === null || own.path === hosted || !isOlder(own.version, oldest)) return
  yield* Effect.logWarning(
    `${own.path} is ${own.version}, older than the OpenCode of this worker, which migrates the database that both use. Upgrade yours (opencode upgrade): it may fail otherwise.`
  )
})
