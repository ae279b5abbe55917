/** An operator that prompts and reads along, over a connection of its own. */
import { type Client, createClient, TurnView, type WorkerId } from "@opencode-worker/client"
import type { Deployment } from "@opencode-worker/harness"

/** Text as it appeared: how many characters there were at a time, in milliseconds of `performance.now`. */
export interface Sighting {
  readonly at: number
  readonly characters: number
}

/** One turn as an operator saw it. */
export interface Seen {
  readonly sentAt: number
  readonly doneAt: number
  readonly text: ReadonlyArray<Sighting>
  /** The text before the end of the turn. */
  readonly streamed: string
  /** The text of the final parts. */
  readonly final: string
  readonly status: TurnView.TurnStatus
}

export const connectTo = ({ token, url }: Deployment): Client => createClient({ url, auth: token })

/** `isReading`: reads each answer as it is written; otherwise waits for its end. */
export const operator = async (client: Client, workerId: WorkerId, isReading: boolean) => {
  const sessionId = await client.sessions.create(workerId, { title: "Bench" })
  return {
    /** Sends a prompt and waits for the end of its turn. */
    ask: async (prompt: string): Promise<Seen> => {
      const sentAt = performance.now()
      const turn = client.prompt(sessionId, prompt)
      const text: Array<Sighting> = []
      let streamed = ""
      if (isReading) {
        for await (const view of turn) {
          const answer = TurnView.answer(view)
          text.push({ at: performance.now(), characters: answer.length })
          if (view.end === null) streamed = answer
        }
      }
      const view = await turn.result
      return { sentAt, doneAt: performance.now(), text, streamed, final: TurnView.answer(view), status: view.status }
    }
  }
}
