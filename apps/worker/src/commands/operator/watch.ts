/** `opencode-worker watch`: the workers and the inbox, live. */
import { Client } from "@opencode-worker/client/effect"
import { Clock, Deferred, Effect, Stream } from "effect"
import { usageError } from "../../AppError.ts"
import { target } from "../../operator/output.ts"
import { type Fleet, watchRows } from "../../operator/watchView.ts"
import { draw, erase, type View } from "../../terminal/input/draftView.ts"
import { keyboard } from "../../terminal/input/Keyboard.ts"
import * as Output from "../../terminal/output/Output.ts"
import { isInteractive } from "../../terminal/PromptSource.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

export const watch = operatorCommand(
  "watch",
  descriptions.watch,
  {},
  Effect.fnUntraced(function* () {
    if (!(yield* isInteractive)) {
      return yield* usageError("This needs a terminal: use workers ls --json and inbox ls --json.")
    }
    const client = yield* Client
    const { style } = yield* target
    const left = yield* Deferred.make<void>()
    let fleet: Fleet = { workers: undefined, inbox: undefined, isConnected: true }
    let shown: View = { rows: [], cursorRow: 0, cursorColumn: 0, endColumn: 0 }
    let now = yield* Clock.currentTimeMillis
    const footer: Output.Footer = {
      erase: () => erase(shown),
      draw: () => {
        const size = { columns: Output.columns(), rows: process.stdout.rows || 24 }
        const rows = watchRows(fleet, style, size, now)
        shown = { rows, cursorRow: rows.length - 1, cursorColumn: 0, endColumn: 0 }
        return draw(shown)
      }
    }
    const update = Effect.fnUntraced(function* (changes: Partial<Fleet>) {
      fleet = { ...fleet, ...changes }
      now = yield* Clock.currentTimeMillis
      Output.setFooter(footer)
    })
    yield* keyboard((input) => {
      if (input._tag === "Interrupt" || input._tag === "InputLost") Deferred.doneUnsafe(left, Effect.interrupt)
      if (input._tag === "EndOfInput" || (input._tag === "Insert" && input.text === "q")) {
        Deferred.doneUnsafe(left, Effect.void)
      }
      if (input._tag === "Resumed" || input._tag === "Redraw") Output.redraw()
    })
    // The last view stays on the screen.
    yield* Effect.addFinalizer(() => Effect.sync(() => Output.setFooter(undefined, undefined, true)))
    const feeds = Effect.all(
      [
        Stream.runForEach(
          client.stream(({ workers }) => workers.watch()),
          (workers) => update({ workers })
        ),
        Stream.runForEach(
          client.stream(({ inbox }) => inbox.watch()),
          (inbox) => update({ inbox })
        ),
        Effect.forever(Effect.delay(update({}), "5 seconds"))
      ],
      { concurrency: "unbounded", discard: true }
    )
    yield* Effect.raceFirst(Deferred.await(left), Effect.andThen(feeds, Effect.never))
  })
)
