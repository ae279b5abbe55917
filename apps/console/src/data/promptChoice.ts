/** The model, its variant and the agent of the next prompts of a session. Absent: OpenCode chooses. Kept in this browser. */
import { useEffect, useState } from "react"
import { openStore } from "./storage.ts"

export interface PromptChoice {
  readonly model?: string
  readonly variant?: string
  readonly agent?: string
}

const noPromptChoice: PromptChoice = {}

/** Without empty names; a variant belongs to its model. Pure. */
export const promptChoice = ({ agent = "", model = "", variant = "" }: PromptChoice): PromptChoice => ({
  ...(model !== "" && { model }),
  ...(model !== "" && variant !== "" && { variant }),
  ...(agent !== "" && { agent })
})

const store = openStore<PromptChoice>("drafts")
const keyOf = (sessionId: string) => `choice:${sessionId}`

export const usePromptChoice = (sessionId: string): readonly [PromptChoice, (choice: PromptChoice) => void] => {
  const [choice, set] = useState(noPromptChoice)
  useEffect(() => {
    let isLeft = false
    const restore = async () => {
      const stored = await store.get(keyOf(sessionId))
      if (!isLeft && stored !== undefined) set(stored)
    }
    restore().catch(() => undefined)
    return () => {
      isLeft = true
    }
  }, [sessionId])
  const choose = (next: PromptChoice) => {
    set(next)
    store.set(keyOf(sessionId), next).catch(() => undefined)
  }
  return [choice, choose]
}
