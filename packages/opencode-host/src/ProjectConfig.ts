/**
 * The effect of a repository's own OpenCode configuration.
 */
import * as Effect from "effect/Effect"
import type { HostError } from "./HostError.ts"
import { serverEnvironment } from "./internal/server/environment.ts"
import { resolveDirectory } from "./internal/server/directory.ts"
import { safeEnvironment } from "./internal/projectConfig/environment.ts"
import type { Ignored } from "./internal/projectConfig/filter.ts"
import { changes, type Fingerprint, fingerprint } from "./internal/projectConfig/fingerprint.ts"
import { reading } from "./internal/projectConfig/prepare.ts"
import { survey } from "./internal/projectConfig/survey.ts"

/**
 * Something of a project's configuration that has no effect. `kind`, `file`, `name` and `reason` may hold the project's own
 * text: clean it before it is shown.
 */
export type IgnoredConfig = Ignored

/**
 * SHA-256 of each file from which OpenCode reads a project's configuration, by its path relative to the project's root:
 * `opencode.json` (its values without `$schema`), the files it names with `{file:…}`, `.opencode` and the skill folders.
 */
export type ProjectFingerprint = Fingerprint

/**
 * Which parts of the project's own configuration have an effect (`OpenCodeHostOptions.projectConfig`).
 *
 * - `"all"`: OpenCode's own choice, which is everything.
 * - `"harmless"`: instruction files, the model (of a provider that the user's own configuration has), agents and commands without
 *   permissions of their own, and denials. Everything else is ignored; see `inspectProject`.
 * - `{ trusted }`: everything, for as long as the project's fingerprint is this one. Otherwise the start fails with `ProjectChanged`.
 */
export type ProjectConfig = "all" | "harmless" | { readonly trusted: ProjectFingerprint }

export interface ProjectInspection {
  /** The configuration that `"harmless"` ignores. */
  readonly ignored: ReadonlyArray<IgnoredConfig>
  readonly fingerprint: ProjectFingerprint
}

/**
 * Looks at a project's configuration without starting OpenCode. Fails with `ProjectUnusable` for a file that cannot be read
 * safely, or that is not valid.
 */
export const inspectProject = Effect.fn("ProjectConfig.inspect")(function* (options: {
  readonly directory: string
  readonly environment?: Readonly<Record<string, string>> | undefined
}): Effect.fn.Return<ProjectInspection, HostError> {
  const directory = yield* resolveDirectory(options.directory)
  const environment = yield* serverEnvironment(options.environment ?? {})
  return yield* reading(() => {
    const safe = safeEnvironment(environment, directory)
    return { ignored: [...survey(directory).ignored, ...safe.ignored], fingerprint: fingerprint(directory) }
  })
})

/**
 * The fingerprint alone, for a project that is trusted.
 */
export const fingerprintProject = Effect.fn("ProjectConfig.fingerprint")(function* (
  given: string
): Effect.fn.Return<ProjectFingerprint, HostError> {
  const directory = yield* resolveDirectory(given)
  return yield* reading(() => fingerprint(directory))
})

/**
 * Files that are new, removed or changed, each with that word.
 */
export const changesOf: (before: ProjectFingerprint, now: ProjectFingerprint) => ReadonlyArray<string> = changes
