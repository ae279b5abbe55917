import { realpath, stat } from "node:fs/promises"
import * as Effect from "effect/Effect"
import { HostError } from "../../HostError.ts"
import { DirectoryNotFound } from "../../HostErrorReason.ts"

/** The real path of an existing directory. OpenCode accepts a missing one with status 200, so we must look. */
export const resolveDirectory = Effect.fnUntraced(function* (directory: string) {
  const fail = (problem: DirectoryNotFound["problem"]) =>
    new HostError({ reason: new DirectoryNotFound({ directory, problem }) })
  const found = yield* Effect.tryPromise({
    try: async () => ({ path: await realpath(directory), stats: await stat(directory) }),
    catch: (cause) => fail(isMissing(cause) ? "missing" : "unreadable")
  })
  return found.stats.isDirectory() ? found.path : yield* fail("not-a-directory")
})

const isMissing = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR")
