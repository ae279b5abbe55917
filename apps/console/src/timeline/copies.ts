/** Copies of the newest turns of sessions in this browser, to read without a network. Turns that have ended do not change. */
import type { OutlineEntry, Turn } from "@opencode-worker/client"
import type { Store } from "../data/storage.ts"
import type { TurnContent } from "./rows.ts"

export interface TimelineCopies {
  /** The newest turns of which all is here, in their order. */
  readonly restore: (sessionId: string) => Promise<ReadonlyArray<TurnContent>>
  readonly keepTurns: (sessionId: string, turns: ReadonlyArray<Turn>) => void
  readonly keepOutline: (content: TurnContent) => void
}

/** Longer outlines are read from the deployment. */
const mostEntries = 300

const ignore = () => undefined

const outlineKey = ({ turnId, version }: Turn) => `outline:${turnId}:${version ?? ""}`

export const timelineCopies = (store: Store<unknown>): TimelineCopies => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters -- the same key stored it
  const read = async <A>(key: string) => (await store.get(key).catch(ignore)) as ReadonlyArray<A> | undefined
  return {
    restore: async (sessionId) => {
      const contents: Array<TurnContent> = []
      for (const turn of ((await read<Turn>(`turns:${sessionId}`)) ?? []).toReversed()) {
        if (turn.version === null) continue
        const entries = turn.parts === 0 ? [] : await read<OutlineEntry>(outlineKey(turn))
        if (entries === undefined) break
        contents.unshift({ turn, view: null, entries, isComplete: true })
      }
      return contents
    },
    keepTurns: (sessionId, turns) => {
      store.set(`turns:${sessionId}`, turns).catch(ignore)
    },
    keepOutline: ({ entries, isComplete, turn }) => {
      if (!isComplete || turn.version === null || entries.length === 0 || entries.length > mostEntries) return
      store.set(outlineKey(turn), entries).catch(ignore)
    }
  }
}
