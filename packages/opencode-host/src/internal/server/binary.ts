/** Finds the OpenCode binary without running anything: asking the CLI for its version would cost seconds. */
import { constants } from "node:fs"
import { access, stat } from "node:fs/promises"
import { createRequire } from "node:module"
import { delimiter, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { HostError } from "../../HostError.ts"
import { BinaryNotFound } from "../../HostErrorReason.ts"
import type { Binary } from "../../OpenCodeServer.ts"
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

/** In order: the given path, `OPENCODE_BIN`, the installed platform package that this machine can run, `PATH`. */
export const findBinary = Effect.fnUntraced(function* (given: string | undefined): Effect.fn.Return<Binary, HostError> {
  if (given !== undefined) return yield* named(given, "option", "option binary")
  const preferred = yield* variable("OPENCODE_BIN")
  if (Option.isSome(preferred)) return yield* named(preferred.value, "OPENCODE_BIN", "OPENCODE_BIN")
  const names = platformPackages(yield* thisMachine)
  for (const name of names) {
    const packaged = installed(name)
    if (Option.isSome(packaged) && (yield* inspect(packaged.value)) === "executable") {
      return { path: packaged.value, source: "package" }
    }
  }
  const folders = Option.getOrElse(yield* variable("PATH"), () => "").split(delimiter)
  for (const folder of folders.filter((name) => name !== "")) {
    const path = join(folder, "opencode")
    if ((yield* inspect(path)) === "executable") return { path, source: "PATH" }
  }
  return yield* notFound(
    `No OpenCode binary: the option and OPENCODE_BIN are not set, the package ${names.join(" or ")} is not installed, and PATH has no opencode`
  )
})
