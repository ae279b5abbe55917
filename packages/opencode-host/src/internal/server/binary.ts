/** Finds the OpenCode binary: a chosen one, or the newer of the installed one and the user's own. */
import { constants } from "node:fs"
import { access, readFile, stat } from "node:fs/promises"
import { createRequire } from "node:module"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { HostError } from "../../HostError.ts"
import { BinaryNotFound } from "../../HostErrorReason.ts"
import type { Binary } from "../../OpenCodeServer.ts"
import * as OwnOpenCode from "../../OwnOpenCode.ts"
import { variable } from "./environment.ts"
import { platformPackages, thisMachine } from "./platformPackages.ts"

type Verdict = "executable" | "missing" | "not-executable"

const inspect = (path: string): Effect.Effect<Verdict> =>
  Effect.promise(async () => {
    const found = await stat(path).catch(() => undefined)
    if (found === undefined) return "missing"
    if (!found.isFile()) return "not-executable"
    return access(path, constants.X_OK).then(
      () => "executable" as const,
      () => "not-executable" as const
    )
  })

const notFound = (problem: string) => new HostError({ reason: new BinaryNotFound({ problem }) })

/** A configured path is used or refused. There is no fallback to the next place. */
const named = Effect.fnUntraced(function* (path: string, source: Binary["source"], name: string) {
  const verdict = yield* inspect(path)
  if (verdict === "executable") return { path, source }
  const problem = verdict === "missing" ? "does not exist" : "is not an executable file"
  return yield* notFound(`The OpenCode binary ${path} (${name}) ${problem}`)
})

/** From this module, so that it is found when this package is bundled into an application too. */
const installed = (name: string): Option.Option<string> => {
  const require = createRequire(import.meta.url)
  return Option.liftThrowable(() => require.resolve(`${name}/package.json`))().pipe(
    Option.map((manifest) => join(manifest, "..", "bin", "opencode"))
  )
}

/** The installed package that this machine can run, and its version. */
const packaged = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  for (const name of names) {
    const found = installed(name)
    if (Option.isNone(found) || (yield* inspect(found.value)) !== "executable") continue
    const { version }: { readonly version: string } = JSON.parse(
      yield* Effect.promise(() => readFile(join(found.value, "../../package.json"), "utf8"))
    )
    return { path: found.value, version }
  }
  return undefined
})

/**
 * In order: the given path, `OPENCODE_BIN`, the installed platform package that this machine can run, `PATH`. The `opencode` of
 * `PATH` comes before the package if it is a newer OpenCode 1, because it may have migrated the database to its format.
 */
export const findBinary = Effect.fnUntraced(function* (given: string | undefined): Effect.fn.Return<Binary, HostError> {
  if (given !== undefined) return yield* named(given, "option", "option binary")
  const preferred = yield* variable("OPENCODE_BIN")
  if (Option.isSome(preferred)) return yield* named(preferred.value, "OPENCODE_BIN", "OPENCODE_BIN")
  const names = platformPackages(yield* thisMachine)
  const folders = Option.getOrElse(yield* variable("PATH"), () => "")
  const found = yield* packaged(names)
  if (found === undefined) {
    const path = yield* Effect.promise(() => OwnOpenCode.pathIn(folders))
    if (path !== undefined) return { path, source: "PATH" }
    return yield* notFound(
      `No OpenCode binary: the option and OPENCODE_BIN are not set, the package ${names.join(" or ")} is not installed, and PATH has no opencode`
    )
  }
  const own = yield* OwnOpenCode.find(folders)
  const chosen = own === undefined ? { isOwn: false } : OwnOpenCode.choose(own, found.version)
  if (chosen.warning !== undefined) yield* Effect.logWarning(chosen.warning)
  if (own === undefined || !chosen.isOwn) return { path: found.path, source: "package" }
  yield* Effect.logInfo(
    `${own.path} is OpenCode ${own.version}, newer than the installed ${found.version}: it is used.`
  )
  return { path: own.path, source: "PATH" }
})

/** Warns of an own OpenCode next to a chosen binary. `findBinary` has compared the others. */
export const warnOfOwn = Effect.fnUntraced(function* ({ path, source }: Binary) {
  if (source === "package" || source === "PATH") return
  const own = yield* OwnOpenCode.find(Option.getOrElse(yield* variable("PATH"), () => ""))
  if (own === undefined || own.path === path) return
  const { warning } = OwnOpenCode.warningOf(own)
  if (warning !== undefined) yield* Effect.logWarning(warning)
})
