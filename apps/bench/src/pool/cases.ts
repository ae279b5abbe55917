/** The work of the pool benchmark: cases, keys, and resources that count their opens, uses and closes. */
import { setImmediate as turn } from "node:timers/promises"

export interface Case {
  readonly case: string
  readonly keys: number
  readonly uses: number
  readonly concurrency: number
  readonly capacity: number
}

export const cases = (quick: boolean): ReadonlyArray<Case> => {
  const distinct = quick ? 1000 : 20_000
  return [
    { case: "distinct", keys: distinct, uses: distinct, concurrency: 200, capacity: 50 },
    { case: "contended", keys: 90, uses: quick ? 900 : 9000, concurrency: 500, capacity: 20 },
    { case: "resident", keys: 50, uses: quick ? 2000 : 50_000, concurrency: 50, capacity: 50 }
  ]
}

/** 8 kB: large enough that a leaked resource shows in the heap. */
const payload = () => Array<number>(1000).fill(0)

/** The resources, with counts of opens, uses and closes. */
export const makeWorld = () => {
  const inUse = new Set<string>()
  const counts = { resident: 0, maxResident: 0, opens: 0, overlaps: 0 }
  return {
    counts,
    open: async (key: string) => {
      counts.opens++
      counts.maxResident = Math.max(counts.maxResident, ++counts.resident)
      await turn()
      return { key, payload: payload() }
    },
    use: async ({ key }: { readonly key: string }) => {
      if (inUse.has(key)) counts.overlaps++
      inUse.add(key)
      await turn()
      inUse.delete(key)
    },
    close: async () => {
      await turn()
      counts.resident--
    }
  }
}
export type World = ReturnType<typeof makeWorld>

/** Each key in turn. Contended keys follow a multiplicative hash, which is the same in each run. */
export const keyOf = (use: number, { capacity, keys, uses }: Case) =>
  `session-${keys === uses || keys === capacity ? use % keys : (Math.imul(use, 2_654_435_761) >>> 8) % keys}`

export type Resource = Awaited<ReturnType<World["open"]>>
