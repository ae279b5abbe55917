/** `opencode-worker attach`: OpenCode's own interface on the server of a worker, for its owner on the same machine. */
import { spawn } from "node:child_process"
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import { AppError, exitCodes, temporaryError, toAppError, usageError } from "../AppError.ts"
import { findAttachments } from "../health/findProcesses.ts"
import type { Attachment } from "../health/RunningWorkers.ts"
import { descriptions } from "./descriptions.ts"
import { resolveDirectory } from "./shared/directory.ts"
import * as shared from "./shared/flags.ts"

/** The worker of the directory. Without `--directory` also the only one. */
const chosen = Effect.fnUntraced(function* (given: Option.Option<string>) {
  const found = yield* findAttachments
  const directory = yield* resolveDirectory(given)
  const here = found.find((one) => one.directory === directory)
  if (here !== undefined) return here
  const [only, ...others] = found
  if (only === undefined) {
    return yield* temporaryError(
      "No attachable worker of yours runs on this machine: opencode-worker start --attachable runs one."
    )
  }
  if (Option.isNone(given) && others.length === 0) return only
  const directories = found.map((one) => one.directory).join(", ")
  return yield* usageError(`Choose one with --directory: attachable workers run in ${directories}.`)
})

/** The password is in the environment, which only this user can read: the arguments of a program are public. */
const open = ({ directory, password, program, url, username }: Attachment) =>
  Effect.callback<number, AppError>((resume) => {
    const child = spawn(program ?? "opencode", ["attach", url, "--dir", directory], {
      stdio: "inherit",
      env: { ...process.env, OPENCODE_SERVER_PASSWORD: password, OPENCODE_SERVER_USERNAME: username }
    })
    child.on("error", ({ message }) => resume(temporaryError(`OpenCode cannot run: ${message}`)))
    child.on("close", (code) => resume(Effect.succeed(code ?? exitCodes.Interrupted)))
    return Effect.sync(() => void child.kill())
  })

export const attach = Command.make(
  "attach",
  { directory: shared.directory },
  Effect.fn(function* (given) {
    const code = yield* open(yield* chosen(given.directory))
    if (code !== 0) return yield* new AppError({ text: `OpenCode has ended with exit code ${code}.`, exitCode: code })
  }, Effect.mapError(toAppError))
).pipe(Command.withDescription(descriptions.attach))
