/** The state of a running turn in OpenCode's record, and when it may be believed. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { HostError } from "../../HostError.ts"
import type { AssistantWithParts, OpenCodeClient, PromptInput } from "../../OpenCodeClient.ts"
import { classifyTurn, type TurnState } from "../../Turn.ts"
import type { TurnFailure } from "../../TurnEvent.ts"
import { isBusy, notTakenOver, turnInRecord } from "./record.ts"
import type { RunningTurn } from "./runningTurns.ts"
import type { turnReader } from "./turnReader.ts"

/** On an error OpenCode is idle shortly before the last message is stored: "interrupted" must last this long. */
const interruptedFor = Duration.seconds(5)
/** A prompt that was just sent is not busy yet: that it was refused, and did not start, must last this long. */
const refusedFor = Duration.millis(1500)
/** OpenCode may end its work at the moment in which a steering prompt is stored, and then does not see it. */
const strandedFor = Duration.seconds(3)

/** The facts about a running turn that its record does not have. */
export interface TurnProgress {
  delivered: boolean
  /** A command was sent, and OpenCode may store its prompt at any time. */
  sending: boolean
  /** The prompt was sent once more. */
  sentAgain: boolean
  ended: boolean
  rejection: TurnFailure | undefined
}

interface ReadState {
  readonly state: TurnState
  readonly messages: ReadonlyArray<AssistantWithParts>
  readonly takenOver: boolean
}

type Condition = (read: Pick<ReadState, "state">) => boolean

const isInterrupted: Condition = ({ state }) => state._tag === "Ended" && state.outcome === "interrupted"

export const turnStates = (
  client: OpenCodeClient,
  input: PromptInput,
  turn: RunningTurn,
  progress: TurnProgress,
  reader: Pick<ReturnType<typeof turnReader>, "isTakenOver">
) => {
  /** The status first: see `classifyTurn`. */
  const read: Effect.Effect<ReadState, HostError> = Effect.gen(function* () {
    const isWorking = yield* isBusy(client, input.sessionId)
    const { messages, takenOver } =
      isWorking && !reader.isTakenOver() ? notTakenOver : yield* turnInRecord(client, input)
    const sessionBusy = isWorking && !takenOver
    const state = classifyTurn(messages, { sessionBusy, abortRequested: turn.abortRequested, takenOver })
    return { state, messages, takenOver }
  })

  const isRefused: Condition = ({ state }) =>
    state._tag === "NotStarted" && (progress.rejection !== undefined || (turn.abortRequested && !progress.sending))

  /** A steering prompt that is stored and that the idle session does not run. It is sent once more, under its ids. */
  const isStranded: Condition = ({ state }) =>
    state._tag === "NotStarted" && turn.steers && progress.delivered && !progress.sentAgain

  return {
    read,
    isRefused,
    isStranded,
    /** Interrupted, refused, stranded: of a living server these are believed only when they last. */
    settled: Effect.gen(function* () {
      const first = yield* read
      const doubtful = [isInterrupted, isRefused, isStranded].find((matches) => matches(first))
      if (doubtful === undefined) return first
      const duration = doubtful === isInterrupted ? interruptedFor : doubtful === isRefused ? refusedFor : strandedFor
      const schedule = Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration }))
      return yield* read.pipe(Effect.repeat({ until: (now) => !doubtful(now), schedule }))
    })
  }
}
