/** The failures of actions on a session. */
import { CommandFailed, type QueuedCommand } from "@opencode-worker/convex-sync"
import type { HostError } from "@opencode-worker/opencode-host"
import { Effect } from "effect"

export type ActionOf<Kind> = Extract<QueuedCommand["command"], { readonly kind: Kind }>

export const failed = (message: string, result: unknown = null) => new CommandFailed({ message, result })

export const notInOpenCode = failed("OpenCode does not have this session yet, or has deleted it.")

/** OpenCode refuses an action while it works in the session. */
export const busy = <A, R>(action: Effect.Effect<A, HostError, R>) =>
  Effect.catchReason(action, "HostError", "Protocol", (reason) =>
    reason.status === 409
      ? failed("OpenCode works in this session. Wait until its turn has ended, or stop it.")
      : Effect.fail(failed(reason.message))
  )
