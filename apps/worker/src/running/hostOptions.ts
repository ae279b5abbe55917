/** The options of the hosted OpenCode, from the settings of a directory. */
import type { OpenCodeHostOptions } from "@opencode-worker/opencode-host"
import { Config, Duration, Effect, Option, Redacted } from "effect"
import { configError } from "../AppError.ts"
import { durationOf, type DirectoryValues } from "../config/settings.ts"
import { resolveDirectory } from "../commands/shared/directory.ts"
import { shellEnvironment } from "../commands/shared/environment.ts"
import { isLocal } from "../commands/shared/url.ts"
import type { DataFolder } from "../state/DataFolder.ts"
import { projectConfig } from "../state/ProjectTrust.ts"

const attachment = Effect.fnUntraced(function* ({ attach: url, idleTimeout, permissions }: DirectoryValues) {
  if (url === undefined) return undefined
  if (!isLocal(url)) {
    return yield* configError(
      "--attach takes the address of an opencode serve on this machine, such as http://127.0.0.1:4096."
    )
  }
  if (permissions !== "inherit") {
    return yield* configError(
      "The server that you attach to uses its own permissions: pass --permissions inherit to confirm this."
    )
  }
  if (idleTimeout !== undefined) {
    return yield* configError(
      "This worker cannot stop the server that it attaches to: leave out --idle-timeout, or --attach."
    )
  }
  // A server that was started without a password accepts any.
  const password = yield* Config.Redacted("OPENCODE_SERVER_PASSWORD").pipe(
    Config.withDefault(Redacted.make("")),
    Effect.orDie
  )
  const username = yield* Config.option(Config.String("OPENCODE_SERVER_USERNAME")).pipe(
    Effect.map(Option.filter((name) => name !== "")),
    Effect.map(Option.getOrUndefined),
    Effect.orDie
  )
  return { url: url.replace(/\/+$/, ""), username, password }
})

/** Undefined: never. */
const idleTimeout = (given: string | undefined): Duration.Duration | undefined =>
  given === undefined ? undefined : Option.getOrUndefined(Option.filter(durationOf(given), Duration.isFinite))

export const hostOptions = Effect.fnUntraced(function* (given: DirectoryValues) {
  return {
    allowUntestedVersion: given.allowUntestedVersion,
    attach: yield* attachment(given),
    directory: yield* resolveDirectory(Option.some(given.directory)),
    environment: yield* shellEnvironment,
    binary: given.opencode,
    start: "eager",
    idleTimeout: idleTimeout(given.idleTimeout),
    alwaysAsk: given.permissions === "careful"
  } satisfies OpenCodeHostOptions
})

/** With `inherit`, OpenCode decides what it reads. */
export const projectChoice = Effect.fnUntraced(function* (
  { permissions, trustProject }: DirectoryValues,
  { directory, environment }: Effect.Success<ReturnType<typeof hostOptions>>,
  folder: DataFolder
) {
  if (permissions === "careful") {
    const trust = Option.fromUndefinedOr(trustProject)
    return yield* projectConfig({ directory, environment, file: folder.trust(directory), trust })
  }
  if (trustProject === undefined) return "all" as const
  return yield* configError(
    "With --permissions inherit OpenCode reads the project's configuration anyway: leave out --trust-project, or use --permissions careful."
  )
})
