/** The rows above the prompt of a chat, drawn again when the state changes. */
import { Clock, Effect } from "effect"
import type { ChatInput } from "../../terminal/input/ChatInput.ts"
import type { Style } from "../../terminal/output/Style.ts"
import { type ChatState, rowsOf } from "./footer.ts"
import { hintsFor, type Offered, type Settings } from "./slashCommands.ts"

export interface ChatScreen {
  readonly update: (changes: Partial<ChatState>) => void
  /** Counts the seconds of the running turn. */
  readonly tick: Effect.Effect<never>
}

export const make = Effect.fnUntraced(function* (
  input: ChatInput,
  style: Style,
  settings: Settings,
  offered: () => ReadonlyArray<Offered>
) {
  let state: ChatState = {
    style,
    running: undefined,
    queued: [],
    worker: undefined,
    isConnected: true,
    model: undefined,
    agent: undefined,
    attached: [],
    hints: [],
    now: yield* Clock.currentTimeMillis
  }
  const rows = (columns: number, typed: string) => {
    const { agent, attached, model } = settings
    const hints = hintsFor(typed, offered()).map(({ argument = "", description, name }) => ({
      name: `${name} ${argument}`,
      description
    }))
    return rowsOf({ ...state, agent, model, attached: attached.map(({ path }) => path), hints }, columns)
  }
  const update = (changes: Partial<ChatState>) => {
    state = { ...state, ...changes }
    input.setRows(rows)
  }
  const tick = Clock.currentTimeMillis.pipe(
    Effect.map((now) => (state.running === undefined ? undefined : update({ now }))),
    Effect.delay("1 second"),
    Effect.forever
  )
  return { update, tick } satisfies ChatScreen
})
