/** The part of a host that runs turns. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HostError } from "../../HostError.ts"
import type { OpenCodeClient, PromptInput, TurnInput } from "../../OpenCodeClient.ts"
import type { Hub } from "../server/hub.ts"
import type { Running } from "../server/supervisor.ts"
import type { Readable } from "./command.ts"
import type { RunningTurns } from "./runningTurns.ts"

/** A prompt to run, with its ids. */
export type Prompt = PromptInput & Pick<TurnInput, "budget" | "command" | "deadline" | "leaveAsking" | "steer">

export interface TurnHost {
  readonly client: OpenCodeClient
  readonly readable: Readable
  /** The server goes on when the host closes. */
  readonly isAttached: boolean
  /** Keeps the server from being taken for idle; fails when the host is closing. */
  readonly keepAlive: Effect.Effect<void, HostError, Scope.Scope>
  readonly running: Effect.Effect<Running, HostError>
  readonly subscribe: Hub["subscribe"]
  readonly turns: RunningTurns
  readonly abort: (sessionId: string) => Effect.Effect<void, HostError>
  /** Runs as long as the host, concurrently. */
  readonly background: (effect: Effect.Effect<void>) => Effect.Effect<unknown>
}
