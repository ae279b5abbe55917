import { assert, it } from "vitest"
import { day, measure } from "../src/billOfDay.ts"

const traffic = {
  mutations: { "queue:appendDeltas": 6, "lease:heartbeat": 2 },
  results: { "turns:live": 4 },
  bytes: 1_000,
  received: 3_000,
  mutationBytes: { "queue:appendDeltas": 600, "lease:heartbeat": 100 }
}

const of = (mutations: number) => ({ mutations, results: 0, mutationBytes: 0, sent: 0, received: mutations })

it("a measurement is the share of one of the measured pieces, of all functions", () => {
  assert.deepStrictEqual(measure(traffic, 2), {
    mutations: 4,
    results: 2,
    mutationBytes: 350,
    sent: 500,
    received: 1_500
  })
})

it("a day has its minutes, and its turns of both kinds", () => {
  const parts = { minute: of(6), unwatched: of(10), watched: of(100) }
  const { mutations, received } = day({ watched: 8, unwatched: 42, minutes: 1_440 }, parts)
  assert.deepStrictEqual([mutations, received], [1_440 * 6 + 420 + 800, 1_440 * 6 + 420 + 800])
})
