/** A shell command of an operator in a session. Off by default: it needs no approval, and reaches all that the worker's user can. */
import type { Id } from "@opencode-worker/convex-backend/api"
import { History } from "@opencode-worker/convex-sync"
import { ascendingId, OpenCodeHost, recordedTurn } from "@opencode-worker/opencode-host"
import { Effect, Schedule } from "effect"
import { busy, failed } from "./actionFailure.ts"
import { openCodeHistory } from "../opencode/history.ts"

/** The end of an output, in UTF-16 code units. */
const shown = 20_000

const notAllowed = failed(
  "This worker runs no shell commands of operators: start it with --allow-shell (allowShell in its configuration) to permit them."
)

const working = failed("OpenCode works in this session. Wait until its turn has ended, or stop it.")

/** Runs the command, waits for its end, and imports it as a turn. An interruption stops it. */
export const runShell = Effect.fnUntraced(function* (
  sessionId: Id<"sessions">,
  opencodeSessionId: string,
  command: string,
  isAllowed: boolean
) {
  if (!isAllowed) return yield* notAllowed
  const { abort, client } = yield* OpenCodeHost
  const isIdle = Effect.map(client.sessions.status, (status) => status[opencodeSessionId] === undefined)
  if (!(yield* isIdle)) return yield* working
  const { agent = "build" } = yield* client.sessions.get(opencodeSessionId)
  const messageId = yield* ascendingId("msg")
  const run = busy(client.actions.shell({ sessionId: opencodeSessionId, messageId, agent, command })).pipe(
    // It goes on.
    Effect.catchReason("HostError", "Timeout", () => Effect.void)
  )
  yield* Effect.andThen(
    run,
    Effect.repeat(isIdle, { until: (idle) => idle, schedule: Schedule.spaced("1 second") })
  ).pipe(Effect.onInterrupt(() => Effect.ignore(abort(opencodeSessionId))))
  const turn = yield* recordedTurn(client, { sessionId: opencodeSessionId, messageId })
  const outputs = (turn?.messages ?? []).flatMap(({ parts }) =>
    parts.flatMap((part) => (part.type === "tool" && "output" in part.state ? [part.state.output] : []))
  )
  const output = outputs.join("\n")
  yield* History.load(sessionId, yield* openCodeHistory(opencodeSessionId))
  return { output: output.slice(-shown).toWellFormed(), truncated: output.length > shown }
})
