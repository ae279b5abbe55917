/** The error that a command prints when it fails. */
import type { ConvexSyncError } from "@opencode-worker/convex-sync"
import type { ModelCacheError } from "@opencode-worker/model-cache"
import type { HostError } from "@opencode-worker/opencode-host"
import { exitCodes as workerExitCodes } from "@opencode-worker/worker-fsm"
import { type PlatformError, Runtime, Schema } from "effect"
import { CliError } from "effect/cli"

/** The exit codes of every command. Codes above 64 also inform a service manager whether to restart. */
export const exitCodes = {
  ...workerExitCodes,
  /** A prompt was not answered. */
  TurnFailed: 1,
  /** The command line or a prompt is invalid. */
  Usage: 2,
  /** A turn was interrupted. */
  TurnInterrupted: 3,
  /** The user declined to continue, or a turn was aborted. */
  Aborted: 4,
  /** A turn waits for the answer of a person. */
  WaitsForPerson: 5,
  /** A turn did not end within its time limit. */
  Timeout: 6
} as const

/**
 * The message names the mistake and the correction. The exit code informs a service manager whether to restart.
 */
export class AppError extends Schema.TaggedError<AppError>()("AppError", {
  text: Schema.String,
  exitCode: Schema.Int
}) {
  override get message() {
    return this.text
  }
  override get [CliError.userMessage]() {
    return this.text
  }
  override readonly [Runtime.errorExitCode] = this.exitCode
}

/** A mistake in the user's options or installation. A retry does not help. */
export const configError = (text: string) => new AppError({ text, exitCode: exitCodes.Configuration })

/** A condition that a later retry may not meet. */
export const temporaryError = (text: string) => new AppError({ text, exitCode: exitCodes.Temporary })

/** The deployment or a login provider refuses the caller. */
export const notAuthorised = (text: string) => new AppError({ text, exitCode: exitCodes.NotAuthorised })

/** The command line or a prompt is invalid. */
export const usageError = (text: string) => new AppError({ text, exitCode: exitCodes.Usage })

type Reason = (HostError | ModelCacheError | ConvexSyncError)["reason"]

/** Reasons that are mistakes in the user's options or installation. */
const configurationReasons: ReadonlySet<string> = new Set<Reason["_tag"]>([
  "BinaryNotFound",
  "BinaryUnusable",
  "DirectoryNotFound",
  "TemporaryDirectoryUnusable",
  "UnsupportedVersion",
  "ProjectUnusable",
  "ProjectChanged",
  "InvalidOption",
  "Unauthorized",
  "UnknownModel",
  "NoDefaultModel"
])

/** The tag of a reason -> a sentence that names the flags of the command that help. */
export type Advice = Readonly<Partial<Record<Reason["_tag"], (reason: Reason) => string>>>

/** The exit code of a deployment's refusal. A refusal that is not listed is permanent. */
const refusalExitCodes: Readonly<Record<string, number>> = {
  Unauthenticated: exitCodes.NotAuthorised,
  WrongSecret: exitCodes.NotAuthorised,
  Revoked: exitCodes.NotAuthorised,
  Forbidden: exitCodes.NotAuthorised,
  Fenced: exitCodes.Fenced,
  RateLimited: exitCodes.Temporary,
  Conflict: exitCodes.Temporary,
  Disabled: exitCodes.Configuration,
  Incompatible: exitCodes.Configuration
}

/** A call that the deployment refused with this code. */
export const refusal = (code: string, text: string) =>
  new AppError({ text, exitCode: refusalExitCodes[code] ?? exitCodes.Usage })

/** A failure of the deployment for the user, without the name of the failed function. */
const explainDeployment = ({ reason }: ConvexSyncError): AppError => {
  const text = `${reason.message.replace(/[.]$/, "")}.`
  switch (reason._tag) {
    case "Rejected":
      return refusal(reason.code, text)
    case "InvalidUrl":
    case "FunctionFailed":
      return configError(text)
    default:
      return temporaryError(text)
  }
}

/**
 * A library's error, whose message is already a sentence, with its exit code. Libraries do not know the flags, so `advice`
 * adds those of the command.
 */
export const toAppError = (
  error: AppError | HostError | ModelCacheError | ConvexSyncError | PlatformError.PlatformError,
  advice: Advice = {}
): AppError => {
  if (error._tag === "AppError") return error
  if (error._tag === "PlatformError") return temporaryError(error.message)
  if (error._tag === "ConvexClientError") return explainDeployment(error)
  const more = advice[error.reason._tag]?.(error.reason) ?? ""
  const text = more === "" ? error.message : `${error.message} ${more}`
  return configurationReasons.has(error.reason._tag) ? configError(text) : temporaryError(text)
}
