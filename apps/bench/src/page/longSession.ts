/** A session of OpenCode with any number of parts, in the format of `opencode import`. Pure. */

export interface LongSession {
  readonly id: string
  readonly title: string
  /** Of all answers together. */
  readonly parts: number
  readonly turns: number
  readonly directory: string
  /** `provider/model`. */
  readonly model: readonly [providerID: string, modelID: string]
}

/** The text of the newest part: a page that shows it has opened the session. */
export const lastText = "This is the last part of the long session."

/** Ids of OpenCode sort by their time. */
const idOf = (prefix: string, at: number) => `${prefix}_0${at.toString(16).padStart(11, "0")}0000000000LONG`

const paragraph =
  "The total is rounded after the sum, not before it, so that three lines of a third each are one. " +
  "`round(sum(lines))` differs from `sum(lines.map(round))` by up to half a cent for each line."

const start = Date.UTC(2026, 0, 5, 9)

/** The fields of a part that rows are made of. */
export interface LongPart {
  readonly type: string
  readonly id: string
  readonly text?: string
  readonly tool?: string
  readonly state?: { readonly title: string }
}

const contentOf = (index: number, isLast: boolean) => {
  if (isLast) return { type: "text", text: lastText, time: { start, end: start + 1 } }
  if (index % 3 === 0) return { type: "text", text: `Step ${index}. ${paragraph}`, time: { start, end: start + 1 } }
  if (index % 3 === 1) return { type: "reasoning", text: `Why ${index}: ${paragraph}`, time: { start, end: start + 1 } }
  const output = `checked ${index}\n`.repeat(8)
  return {
    type: "tool",
    tool: "bash",
    callID: `call_${index}`,
    state: {
      status: "completed",
      input: { command: `pnpm test --filter step-${index}`, description: `check step ${index}` },
      output,
      metadata: { output, exit: 0, truncated: false },
      title: `check step ${index}`,
      time: { start, end: start + 900 }
    }
  }
}

export const longSession = ({ directory, id, model: [providerID, modelID], parts, title, turns }: LongSession) => {
  let at = 1
  const next = (prefix: string) => idOf(prefix, at++)
  const tokens = { total: 2, input: 1, output: 1, reasoning: 0, cache: { read: 0, write: 0 } }
  const perTurn = parts / turns
  const messages = Array.from({ length: turns }, (_, turn) => {
    const created = start + turn * 60_000
    const asked = next("msg")
    const prompt = { type: "text", text: `Prompt ${turn}`, id: next("prt"), sessionID: id, messageID: asked }
    const answered = next("msg")
    const common = { sessionID: id, messageID: answered }
    const begun = { type: "step-start", id: next("prt"), ...common }
    const content = Array.from({ length: perTurn }, (__, index): LongPart => ({
      ...contentOf(turn * perTurn + index, turn === turns - 1 && index === perTurn - 1),
      id: next("prt"),
      ...common
    }))
    return [
      {
        info: {
          role: "user",
          time: { created },
          agent: "build",
          model: { providerID, modelID },
          summary: { diffs: [] },
          id: asked,
          sessionID: id
        },
        parts: [prompt]
      },
      {
        info: {
          parentID: asked,
          role: "assistant",
          mode: "build",
          agent: "build",
          path: { cwd: directory, root: directory },
          cost: 0,
          tokens,
          modelID,
          providerID,
          time: { created: created + 1, completed: created + 50_000 },
          finish: "stop",
          id: answered,
          sessionID: id
        },
        parts: [begun, ...content, { type: "step-finish", reason: "stop", tokens, cost: 0, id: next("prt"), ...common }]
      }
    ]
  })
  return {
    info: {
      id,
      slug: "long-session",
      projectID: "global",
      directory,
      path: "",
      title,
      version: "1.18.33",
      cost: 0,
      tokens,
      time: { created: start, updated: start + turns * 60_000 }
    },
    messages: messages.flat()
  }
}
