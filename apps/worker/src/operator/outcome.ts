/** The exit code and the sentence for the end of a turn. */
import type { TurnId, TurnView } from "@opencode-worker/client"
import { AppError, exitCodes } from "../AppError.ts"

const codes: Readonly<Record<string, number>> = {
  failed: exitCodes.TurnFailed,
  interrupted: exitCodes.TurnInterrupted,
  // It never ran, so it is as safe to send again.
  expired: exitCodes.TurnInterrupted,
  aborted: exitCodes.Aborted
}

/** Null if the turn was answered whole. */
export const outcomeError = (turnId: TurnId, { error, isWhole, outcome }: TurnView.TurnEnd): AppError | null => {
  if (isWhole) return null
  const reason = error === null ? "" : `: ${error.message.replace(/[.]$/, "")}`
  const text =
    outcome === "completed" ? `The answer of turn ${turnId} is not whole.` : `Turn ${turnId} is ${outcome}${reason}.`
  return new AppError({ text, exitCode: codes[outcome] ?? exitCodes.TurnFailed })
}

export const waitsForPerson = (turnId: TurnId, subject: string) =>
  new AppError({
    text: `Turn ${turnId} waits for a person: ${subject}. Answer it (opencode-worker inbox ls), then wait for the turn (opencode-worker turns wait).`,
    exitCode: exitCodes.WaitsForPerson
  })

export const timedOut = (turnId: TurnId, limit: string, isStopped: boolean) =>
  new AppError({
    text: isStopped
      ? `Turn ${turnId} was stopped: it ran longer than ${limit}.`
      : `Turn ${turnId} has not ended within ${limit}. It goes on.`,
    exitCode: exitCodes.Timeout
  })
