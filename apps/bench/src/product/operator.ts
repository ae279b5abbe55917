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
  /** The most characters of a running tool's output that were seen. */
  readonly output: number
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
      let output = 0
      if (isReading) {
        for await (const view of turn) {
          const answer = TurnView.answer(view)
          text.push({ at: performance.now(), characters: answer.length })
          if (view.end !== null) continue
          streamed = answer
          for (const block of view.blocks)
            if (block.kind === "tool" && block.state === "running") output = Math.max(output, block.output.length)
        }
      }
      const view = await turn.result
      const final = TurnView.answer(view)
      return { sentAt, doneAt: performance.now(), text, streamed, output, final, status: view.status }
    }
  }
}
