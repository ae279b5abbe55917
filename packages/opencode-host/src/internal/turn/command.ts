/** Runs a command of OpenCode as a turn. */
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { HostError } from "../../HostError.ts"
import { CommandRefused } from "../../HostErrorReason.ts"
import type { OpenCodeClient, PromptInput } from "../../OpenCodeClient.ts"
import type { TurnFailure } from "../../TurnEvent.ts"
import { isInside, realPath } from "../projectConfig/readInside.ts"
import { isDelivered } from "./delivery.ts"
import { changesShell, namedFiles } from "./commandText.ts"

/** Files that a command may attach: in `directory`, and not in `denied`. Real paths. */
export interface Readable {
  readonly directory: string
  readonly denied: ReadonlyArray<string>
}

/** OpenCode resolves names of files from the root of the repository. */
const rootOf = (directory: string): string => {
  for (let at = directory; ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return at
    if (at === dirname(at)) return directory
  }
}

const isReadable = ({ denied, directory }: Readable, name: string): boolean =>
  [directory, rootOf(directory)].every((base) => {
    const path = realPath(name.startsWith("~/") ? join(homedir(), name.slice(2)) : resolve(base, name))
    // A name without a file may be an agent's.
    return path === undefined || (isInside(directory, path) && !denied.some((folder) => isInside(folder, path)))
  })

/** Fails with `CommandRefused` if there is no such command, or if its arguments would do more than become text. */
export const checkCommand = Effect.fnUntraced(function* (
  client: OpenCodeClient,
  readable: Readable,
  command: string,
  args: string
) {
  const refuse = (problem: string) => new HostError({ reason: new CommandRefused({ command, problem }) })
  const known = (yield* client.commands).find(({ name }) => name === command)
  if (known === undefined) return yield* refuse("OpenCode has no command of this name")
  // The template of a server of the Model Context Protocol is not known before it runs.
  const template: unknown = known.template
  if (typeof template !== "string" && /[`@]/.test(args)) {
    return yield* refuse("its arguments have a backtick or an @, and its template cannot be read")
  }
  const text = typeof template === "string" ? template : ""
  if (changesShell(text, args)) return yield* refuse("its arguments would change a command that it runs in a shell")
  const hidden = namedFiles(text, args).find((name) => !isReadable(readable, name))
  if (hidden !== undefined) return yield* refuse(`its arguments name a file that is not readable here: @${hidden}`)
})

/**
 * Sends the command, and waits for its turn. A failure only where OpenCode refuses it: after a time limit or a lost
 * connection it goes on, and the record says how it ended.
 */
export const sendCommand = (
  client: OpenCodeClient,
  { agent, files, messageId, model, sessionId, text, variant }: PromptInput,
  command: string
): Effect.Effect<TurnFailure | undefined> =>
  client.actions.command({ sessionId, messageId, command, arguments: text, files, model, agent, variant }).pipe(
    Effect.as(undefined),
    Effect.catchReasons("HostError", {
      Timeout: () => Effect.undefined,
      Unavailable: () => Effect.undefined
    }),
    // The event with the reason may come after the response.
    Effect.catch(({ message }) => Effect.delay(Effect.succeed({ name: "CommandFailed", message }), "3 seconds"))
  )

/** A template runs its shell commands without a time limit; a command that begins later than this is not stopped. */
const whileStarting = Schedule.spaced("500 millis").pipe(Schedule.upTo({ duration: "10 minutes" }))

/** Stops a command whose turn ended before OpenCode stored the prompt. Never fails. */
export const stopLate = (client: OpenCodeClient, input: PromptInput): Effect.Effect<void> =>
  isDelivered(client, input).pipe(
    Effect.repeat({ until: (is) => is, schedule: whileStarting }),
    Effect.flatMap((is) => (is ? client.abort(input.sessionId) : Effect.void)),
    Effect.catch((error) => Effect.logDebug(error.message))
  )
