/**
 * Reads turns from OpenCode's record of a session: one of them, or all.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { HostError } from "./HostError.ts"
import { chainSince } from "./internal/turn/record.ts"
import type { OpenCodeClient, PromptInput } from "./OpenCodeClient.ts"
import {
  type RecordedTurn,
  type TakenOverTurn,
  type TurnRemainder,
  turnsOf,
  turnsOfPage,
  withTakenOver
} from "./TurnRecord.ts"

/**
 * The turn of a prompt; undefined: OpenCode does not have the prompt. It costs what was written since the prompt, not the
 * whole session. `isNewest`: no later prompt is stored, so a busy session is at work on this one.
 */
export const recordedTurn = (
  client: OpenCodeClient,
  prompt: Pick<PromptInput, "sessionId" | "messageId">
): Effect.Effect<(RecordedTurn & { readonly takenOver: boolean; readonly isNewest: boolean }) | undefined, HostError> =>
  Effect.map(chainSince(client, prompt), (chain) => {
    const turns = withTakenOver(turnsOf(chain, prompt.messageId))
    const at = turns.findIndex((turn) => turn.prompt.info.id === prompt.messageId)
    const turn = turns[at]
    return turn && { ...turn, isNewest: at === turns.length - 1 }
  })

/**
 * A turn, and whether the session was busy while its messages were read: then it may go on.
 */
export interface ObservedTurn extends RecordedTurn {
  readonly sessionBusy: boolean
  /** The next prompt steered it, or is answered together with it: it ended with what it had. */
  readonly takenOver: boolean
}

interface State {
  readonly before: string | undefined
  readonly remainder: TurnRemainder
  readonly sessionBusy: boolean
  /** The turn after the next one to read. */
  readonly newer: TakenOverTurn | undefined
}

/**
 * All turns of a session, the newest first. In memory there is a page of messages, and the messages of one turn.
 * `pageSize`: messages read at once, 10 by default: with large tool outputs half a megabyte.
 */
export const recordedTurns = (
  client: OpenCodeClient,
  sessionId: string,
  { pageSize = 10 }: { readonly pageSize?: number } = {}
): Stream.Stream<ObservedTurn, HostError> => {
  const busy = Effect.map(client.sessions.status, (status) => status[sessionId] !== undefined)
  const read = Effect.fnUntraced(function* ({ before, newer, remainder, sessionBusy }: State) {
    // On both sides of the reading: a turn that runs while its page is read runs at one of the two.
    const first = yield* busy
    const page = yield* client.messages.list(sessionId, { limit: pageSize, before })
    const observed = (remainder.length > 0 && sessionBusy) || first || (yield* busy)
    const [rest, complete] = turnsOfPage(remainder, page.messages, page.before === undefined)
    const turns = withTakenOver(complete.toReversed(), newer).toReversed()
    const next: State = {
      before: page.before,
      remainder: rest,
      sessionBusy: observed,
      newer: turns.at(-1) ?? newer
    }
    return [
      turns.map((turn): ObservedTurn => ({ ...turn, sessionBusy: observed })),
      page.before === undefined ? undefined : next
    ] as const
  })
  const start: State = { before: undefined, newer: undefined, remainder: [], sessionBusy: false }
  return Stream.paginate(start, (state: State) =>
    Effect.map(read(state), ([turns, next]) => [turns, Option.fromUndefinedOr(next)] as const)
  )
}
