/** The rows of a long session in the deployment, as the worker writes them. Pure. */
import type { Row } from "@opencode-worker/harness"
import type { LongPart, longSession } from "./longSession.ts"

type Session = ReturnType<typeof longSession>

/** A prompt and its answer. */
const exchange = ({ messages }: Session, turn: number) => messages.slice(2 * turn, 2 * turn + 2)

const isShown = ({ type }: { readonly type: string }) => !type.startsWith("step-")

/** One turn per prompt. `common`: the ids of session, worker and owner. */
export const turnRows = (session: Session, common: Row): ReadonlyArray<Row> =>
  Array.from({ length: session.messages.length / 2 }, (_, turn) => {
    const [asked, answered] = exchange(session, turn)
    return {
      ...common,
      seq: turn + 1,
      head: `Prompt ${turn}`,
      length: `Prompt ${turn}`.length,
      status: "completed",
      ready: false,
      finished: true,
      messageId: asked?.info.id,
      answeredBy: { model: "scripted/echo", agent: "build" },
      parts: answered?.parts.filter(isShown).length,
      finishedAt: Date.UTC(2026, 0, 5, 9, turn)
    }
  })

/** The characters of a part that an outline shows. */
const headLength = 200

/** Parts and outline of the turn with this number. */
export const partRows = (session: Session, seq: number, turnId: string) => {
  const [, answered] = exchange(session, seq - 1)
  const shown: ReadonlyArray<LongPart> = (answered?.parts ?? []).filter(isShown)
  return {
    parts: shown.map((part, index): Row => ({
      turnId,
      index,
      chunk: 0,
      kind: part.type,
      payload: JSON.stringify(part)
    })),
    outlines: shown.map((part, index): Row => {
      const { id, state, text = "", tool, type } = part
      const common = {
        turnId,
        index,
        id,
        kind: type,
        bytes: JSON.stringify(part).length,
        head: text.slice(0, headLength)
      }
      return state === undefined ? common : { ...common, tool, title: state.title, status: "completed", duration: 900 }
    })
  }
}
