/** A conversation as it was: every turn with its answer, the oldest first. */
import type { Id } from "@opencode-worker/convex-backend/api"
import { Effect, Stream } from "effect"
import { Operator } from "../Operator.ts"
import { printLine } from "./output/Output.ts"
import { screen } from "./output/ScreenText.ts"
import type { Style } from "./output/Style.ts"
import * as Transcript from "./Transcript.ts"

/** Writes all finished turns of a session. */
export const conversation = Effect.fnUntraced(function* (sessionId: Id<"sessions">, style: Style) {
  const operator = yield* Operator
  yield* operator.turns(sessionId).pipe(
    Stream.runForEach(
      Effect.fnUntraced(function* (turn) {
        const [, answer] = Transcript.end(Transcript.empty, style, turn, yield* operator.parts(turn.turnId))
        yield* printLine(screen`> ${turn.text}${turn.undone ? " (undone in OpenCode)" : ""}\n${answer}`)
      })
    )
  )
})

/** Longer than it takes to load a thousand messages; what is not loaded by then is there the next time. */
const patience = "30 seconds"

/** The same, with what was said at OpenCode's own terminal in the meantime. */
export const reopened = Effect.fnUntraced(function* (sessionId: Id<"sessions">, style: Style) {
  const operator = yield* Operator
  yield* operator.loadHistory(sessionId).pipe(
    Effect.timeout(patience),
    Effect.catch(({ message }) => Effect.logInfo(`What was said at OpenCode's own terminal is not loaded: ${message}`))
  )
  yield* conversation(sessionId, style)
})
