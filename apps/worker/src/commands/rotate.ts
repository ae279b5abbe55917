/**
 * `opencode-worker rotate`: replaces the secret of this directory's worker at `--url`, or without it the operator's key of
 * the embedded deployment. The old one is refused from then on.
 */
import { randomUUID } from "node:crypto"
import { type ConvexSyncError, Pairing } from "@opencode-worker/convex-sync"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { exitCodes } from "@opencode-worker/worker-fsm"
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { AppError, configError, toAppError } from "../AppError.ts"
import * as Credentials from "../state/Credentials.ts"
import { rotateOperatorKey } from "../local/EmbeddedDeployment.ts"
import { type DataFolder, dataFolder } from "../state/DataFolder.ts"
import { printLine } from "../terminal/output/Output.ts"
import { screen } from "../terminal/output/ScreenText.ts"
import { resolveDirectory } from "./shared/directory.ts"
import * as shared from "./shared/flags.ts"
import { resolveUrl } from "./shared/url.ts"
import { descriptions } from "./descriptions.ts"

const flags = {
  url: Flag.optional(shared.url),
  directory: shared.directory,
  demo: shared.demo,
  data: shared.data
}

/** Maps the deployment's refusal to an error that names the remedy. */
const refused = (error: ConvexSyncError, file: string): AppError => {
  const { reason } = error
  if (Credentials.isFinal(reason)) {
    return new AppError({ text: Credentials.pairAgain(reason.message, file), exitCode: exitCodes.NotAuthorised })
  }
  return reason._tag === "Rejected" && reason.code === "Conflict"
    ? configError(`${reason.message}: stop it first, and rotate then.`)
    : toAppError(error)
}

/** Replaces the secret of the worker in a directory. */
const rotateWorker = Effect.fnUntraced(function* (url: string, directory: string, folder: DataFolder) {
  const file = folder.worker(directory, url)
  const kept = yield* Credentials.read(file)
  if (Option.isNone(kept)) {
    return yield* configError(
      `${directory} has no worker for ${url} yet (there is no ${file}): opencode-worker start makes one.`
    )
  }
  yield* Pairing.rotate(kept.value, {
    processId: `rotate ${randomUUID()}`,
    store: (credentials) => Credentials.write(file, credentials)
  }).pipe(
    Effect.catchTag("ConvexClientError", (error) => Effect.fail(refused(error, file))),
    Effect.provide(ConvexClient.layer({ url }))
  )
  yield* printLine(screen`Rotated: the worker has a new secret, and the old one is refused.`)
})

export const rotate = Command.make(
  "rotate",
  flags,
  Effect.fn(function* (given) {
    const directory = yield* resolveDirectory(given.directory)
    const url = Option.isSome(given.url) ? yield* resolveUrl(given.url.value) : undefined
    const folder = yield* dataFolder({ data: given.data, demo: given.demo && url === undefined, directory })
    if (url !== undefined) return yield* rotateWorker(url, directory, folder)
    yield* rotateOperatorKey(folder)
    yield* printLine(screen`Rotated: the operator of this machine has a new key, and the old one is refused.`)
  }, Effect.mapError(toAppError))
).pipe(Command.withDescription(descriptions.rotate))
