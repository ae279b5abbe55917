/** `opencode-worker doctor`: checks everything that a worker needs, and names the remedy of each problem. */
import { homedir } from "node:os"
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { AppError, exitCodes, toAppError } from "../AppError.ts"
import { deploymentChecks } from "../doctor/deployment.ts"
import { check, ok } from "../doctor/Finding.ts"
import { findingLine } from "../doctor/findingLine.ts"
import { machineChecks } from "../doctor/machine.ts"
import { openCodeChecks } from "../doctor/openCode.ts"
import { printedWhole, target, wholeJson } from "../operator/output.ts"
import { dataFolder, dataFolders } from "../state/DataFolder.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { printLine } from "../terminal/output/Output.ts"
import { resolveDirectory } from "./shared/directory.ts"
import { shellEnvironment } from "./shared/environment.ts"
import * as shared from "./shared/flags.ts"
import { hostable } from "./shared/hostable.ts"
import { resolveUrl } from "./shared/url.ts"
import { descriptions } from "./descriptions.ts"

const flags = {
  directory: shared.directory,
  data: shared.data,
  url: Flag.optional(shared.url),
  opencode: shared.opencode,
  allowHome: shared.allowHome,
  ...wholeJson("Print an array of { name, state, detail, advice }")
}

const examine = Effect.fnUntraced(function* (given: Command.Command.Config.Infer<typeof flags>) {
  const directory = yield* resolveDirectory(given.directory)
  const folder = yield* dataFolder({ data: given.data, demo: false, directory })
  const url = Option.isSome(given.url) ? yield* resolveUrl(given.url.value) : undefined
  const secret = yield* dataFolders(folder)
  const directoryCheck = Effect.as(
    hostable({ directory, dataFolders: secret, allowed: given.allowHome }),
    ok("directory", directory)
  )
  const host = {
    directory,
    environment: yield* shellEnvironment,
    binary: Option.getOrUndefined(given.opencode),
    restart: { limit: 1 },
    deniedPaths: secret
  }
  return [
    check("directory", directoryCheck),
    ...machineChecks({ directory, data: folder.root, home: homedir() }),
    ...openCodeChecks(host),
    ...deploymentChecks(folder, url, folder.worker(directory, url))
  ]
})

export const doctor = Command.make(
  "doctor",
  flags,
  Effect.fn(
    function* (given) {
      // Without a directory or a data folder there is nothing further to check.
      const checks = yield* Effect.match(examine(given), {
        onSuccess: (all) => all,
        onFailure: (error) => [check("configuration", Effect.fail(toAppError(error)))]
      })
      const found = (yield* Effect.all(checks, { concurrency: "unbounded" })).flat()
      const { style } = yield* target
      if (!(yield* printedWhole(found, given)))
        yield* Effect.forEach(found, (finding) => printLine(findingLine(finding, style)), { discard: true })
      const problems = found.filter(({ state }) => state === "problem").length
      if (problems === 0) return
      const text = problems === 1 ? "1 problem was found." : `${problems} problems were found.`
      return yield* new AppError({ text, exitCode: exitCodes.Configuration })
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription(descriptions.doctor))
