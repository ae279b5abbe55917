/** Detects that OpenCode can never start on this machine. */
import { type HostError, OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect, Option, Schedule } from "effect"
import { type AppError, configError, temporaryError } from "../AppError.ts"

const final: ReadonlySet<string> = new Set<HostError["reason"]["_tag"]>([
  "BinaryNotFound",
  "BinaryUnusable",
  "DirectoryNotFound",
  "ProjectChanged",
  "ProjectUnusable",
  "Unauthorized",
  "UnsupportedVersion"
])

/** The final error of the failed starts, or none if a later start may succeed. */
const verdict = (error: HostError): Option.Option<HostError | AppError> => {
  if (final.has(error.reason._tag)) return Option.some(error)
  if (error.reason._tag !== "GaveUp") return Option.none()
  const { failures, last, timedOut } = error.reason
  // On a busy machine, a service manager should try again.
  const ended = timedOut ? temporaryError : configError
  return Option.some(ended(`OpenCode never started, in ${failures} attempts. ${last}`))
}

/**
 * Starts the server, and fails when it can never start: with a binary or a version that cannot be used, or after as many
 * failures as the host allows. Once it has started, `started` runs and this never ends: the host restarts what fails
 * later.
 */
export const unlessHopeless = Effect.fnUntraced(function* <R>(started: Effect.Effect<void, never, R>) {
  let shown = ""
  return yield* OpenCodeHost.use(({ server }) => server).pipe(
    Effect.tapError((error) => {
      if (Option.isSome(verdict(error)) || error.message === shown) return Effect.void
      shown = error.message
      return Effect.logWarning(error.message)
    }),
    Effect.retry({ while: (error) => Option.isNone(verdict(error)), schedule: Schedule.spaced("1 second") }),
    Effect.mapError((error) => Option.getOrElse(verdict(error), () => error)),
    Effect.andThen(started),
    Effect.andThen(Effect.never)
  )
})

/** Waits while the host has given the server up, which it starts again after a time. Never fails. */
export const whileGivenUp = OpenCodeHost.use(({ server }) => server).pipe(
  Effect.retry({ while: ({ reason }) => reason._tag === "GaveUp", schedule: Schedule.spaced("1 second") }),
  Effect.ignore
)

/** Waits until the server runs. Never fails: a failed start is repeated after the backoff of the host. */
export const whenRunning = OpenCodeHost.use(({ server }) => server).pipe(
  Effect.retry(Schedule.spaced("1 second")),
  Effect.ignore
)
