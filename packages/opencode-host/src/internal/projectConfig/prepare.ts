/** The facts about the project that a start of OpenCode needs, read at each start. */
import * as Effect from "effect/Effect"
import { HostError } from "../../HostError.ts"
import { ProjectChanged, ProjectUnusable } from "../../HostErrorReason.ts"
import { type Barrier, barrierOf } from "./barrier.ts"
import { safeEnvironment, usesClaude, withAbsolutePointers } from "./environment.ts"
import { changes, type Fingerprint, fingerprint } from "./fingerprint.ts"
import type { PluginOptions } from "./plugin.ts"
import { realPath } from "./readInside.ts"
import { survey, UnusableProject } from "./survey.ts"

export interface PreparedProject {
  readonly environment: Readonly<Record<string, string>>
  /**
   * Where the server starts. Its runtime takes `tsconfig.json` and `node_modules` of that folder and those above it for its
   * own, so they would run code of the project: `/` where the project may not.
   */
  readonly workingDirectory: string
  /** The plugin's input, if OpenCode does not read the project itself. */
  readonly plugin: (Omit<PluginOptions, "ownModel" | "ownAgent"> & { readonly barrier: Barrier }) | undefined
}

export const prepareProject = Effect.fnUntraced(function* (
  choice: "all" | "harmless" | { readonly trusted: Fingerprint },
  directory: string,
  environment: Readonly<Record<string, string>>
): Effect.fn.Return<PreparedProject, HostError> {
  if (choice === "all") return { environment, workingDirectory: directory, plugin: undefined }
  if (choice !== "harmless") {
    const changed = changes(choice.trusted, yield* reading(() => fingerprint(directory)))
    if (changed.length > 0) return yield* new HostError({ reason: new ProjectChanged({ changes: changed }) })
    return { environment: withAbsolutePointers(environment, directory), workingDirectory: "/", plugin: undefined }
  }
  return yield* reading(() => {
    const safe = safeEnvironment(environment, directory)
    const { kept, root } = survey(directory)
    return {
      environment: safe.environment,
      workingDirectory: "/",
      plugin: {
        root,
        kept,
        skillFolders: safe.skillFolders,
        claude: usesClaude(environment),
        barrier: barrierOf(root, directory, realPath(environment["HOME"] ?? ""))
      }
    }
  })
})

/** Turns what the reading throws into the error of this package. */
export const reading = <A>(read: () => A): Effect.Effect<A, HostError> =>
  Effect.catchDefect(Effect.sync(read), (error) =>
    error instanceof UnusableProject
      ? Effect.fail(new HostError({ reason: new ProjectUnusable({ file: error.file, problem: error.problem }) }))
      : Effect.die(error)
  )
