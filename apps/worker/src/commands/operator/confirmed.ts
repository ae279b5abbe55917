/** Confirmation of an action that cannot be undone. */
import { Effect } from "effect"
import { Flag } from "effect/cli"
import { AppError, exitCodes, usageError } from "../../AppError.ts"
import * as ChatInput from "../../terminal/input/ChatInput.ts"
import type { ScreenText } from "../../terminal/output/ScreenText.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { isInteractive } from "../../terminal/PromptSource.ts"

export const yes = Flag.Boolean("yes").pipe(
  Flag.withAlias("y"),
  Flag.withDescription("Do it without confirmation; required without a terminal"),
  Flag.withDefault(false)
)

/** Fails unless `isGiven`, or the person at the terminal answers yes. */
export const confirmed = Effect.fnUntraced(function* (isGiven: boolean, question: ScreenText) {
  if (isGiven) return
  if (!(yield* isInteractive)) return yield* usageError("This needs a confirmation at a terminal, or --yes.")
  const input = yield* ChatInput.make
  const reply = input.talk((ask) =>
    Effect.gen(function* () {
      let typed = yield* ask(question)
      while (!/^\s*(y|yes|n|no)\s*$/i.test(typed)) typed = yield* ask(screen`  Type yes or no.\n`)
      return /^\s*y/i.test(typed)
    })
  )
  if (!(yield* Effect.raceFirst(reply, input.quit))) {
    return yield* new AppError({ text: "Not done.", exitCode: exitCodes.Aborted })
  }
}, Effect.scoped)
