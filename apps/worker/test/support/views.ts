/** Views of turns, as an operator receives them. */
import { type FinalPart, type LiveTurn, type Segment, TurnView } from "@opencode-worker/client"

const running = { status: "running", error: null, usage: null, answeredBy: null, messageId: "msg_1" } as const

/** The view after one more delta. */
export const live = (view: TurnView.TurnView, ...segments: ReadonlyArray<Segment>): TurnView.TurnView => {
  const deltas = [{ seq: view.cursor + 1, segments: [...segments] }]
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- ids are strings
  return TurnView.live(view, { ...running, sessionId: "session" as LiveTurn["sessionId"], deltas })
}

/** The view at the end, completed unless `turn` is something else. */
export const ended = (
  view: TurnView.TurnView,
  parts: ReadonlyArray<FinalPart>,
  turn: Partial<Pick<LiveTurn, "answeredBy" | "error" | "status">> = {}
): TurnView.TurnView => TurnView.end(view, { ...running, status: "completed", ...turn }, parts)

export const part = (index: number, kind: string, payload: object): FinalPart => ({
  index,
  kind,
  payload: JSON.stringify(payload)
})
