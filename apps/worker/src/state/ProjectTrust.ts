/**
 * Trust in a project's own OpenCode configuration. Without trust, parts of the configuration are ignored. Trust covers the
 * content at the time: changed content must be trusted again.
 */
import {
  changesOf,
  fingerprintProject,
  type IgnoredConfig,
  inspectProject,
  type ProjectConfig
} from "@opencode-worker/opencode-host"
import { Effect, FileSystem, Option, Path, Schema } from "effect"
import { configError } from "../AppError.ts"
import * as PrivateFile from "./PrivateFile.ts"
import { announce } from "../terminal/output/announce.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"

const Trusted = Schema.Struct({ directory: Schema.String, files: Schema.Record(Schema.String, Schema.String) })

export interface ProjectTrustOptions {
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  /** The file that records trust in this directory. */
  readonly file: string
  /** True trusts the present content, false revokes trust, and none uses the recorded trust. */
  readonly trust: Option.Option<boolean>
}

/** The choice for `OpenCodeHost`. Prints the ignored configuration. Fails if trusted content has changed. */
export const projectConfig = Effect.fn("ProjectTrust.projectConfig")(function* (options: ProjectTrustOptions) {
  const { directory, file } = options
  const wanted = Option.getOrUndefined(options.trust)
  const path = yield* Path.Path
  // The project itself could contain a trust file.
  const fs = yield* FileSystem.FileSystem
  const isInside = !path.relative(directory, file).startsWith("..")
  if (isInside && (wanted === true || (yield* fs.exists(file)))) {
    return yield* configError(
      `The data folder is inside ${directory}, so trust in its configuration cannot be kept there: give another one with --data.`
    )
  }
  if (wanted === true) {
    const files = yield* fingerprintProject(directory)
    yield* PrivateFile.write(file, Trusted, { directory, files })
    yield* announce(
      "project",
      screen`its configuration has all effect: ${Object.keys(files).length} files are trusted as they are now`
    )
    return { trusted: files } satisfies ProjectConfig
  }
  if (wanted === false) yield* fs.remove(file, { force: true })
  const kept = yield* PrivateFile.read(file, Trusted)
  if (Option.isSome(kept)) {
    const changed = changesOf(kept.value.files, yield* fingerprintProject(directory))
    if (changed.length === 0) return { trusted: kept.value.files } satisfies ProjectConfig
    return yield* configError(
      ScreenText.line(
        `The project's OpenCode configuration has changed since you trusted it: ${some(changed)}. Review it; then trust it again with --trust-project, or ignore it with --no-trust-project.`
      ).text
    )
  }
  yield* Effect.forEach(summaries((yield* inspectProject(options)).ignored), ([label, text]) => announce(label, text), {
    discard: true
  })
  return "harmless" satisfies ProjectConfig
})

/** Number of files that a message names. */
const shown = 10

const some = (all: ReadonlyArray<string>) =>
  all.length <= shown ? all.join(", ") : `${all.slice(0, shown).join(", ")} and ${all.length - shown} more`

/** One line per kind. */
const summaries = (ignored: ReadonlyArray<IgnoredConfig>): ReadonlyArray<readonly [string, ScreenText]> => {
  const kinds = Map.groupBy(ignored, ({ kind }) => kind)
  const lines = [...kinds].map(([kind, all]) => {
    const [first] = all
    const places = new Set(all.map(({ file, name }) => (name === undefined ? file : `${file}: ${name}`)))
    const text = ScreenText.line(`${kind.slice(0, 50)} (${some([...places])}): ${first?.reason ?? ""}`)
    return ["ignored", text] as const
  })
  return lines.length === 0
    ? []
    : [...lines, ["", screen`start with --trust-project to give the project's configuration all effect`]]
}
