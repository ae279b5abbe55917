import type { FunctionReturnType } from "convex/server"
import { assert, describe, it } from "vitest"
import { connect, connectHttp, deploy, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import { randomOf } from "./random.ts"

type Step = { readonly name: string; readonly add: number | null }
type Change = {
  readonly steps: Array<Step>
  readonly ts: bigint
  readonly before: ReadonlyArray<number>
  readonly wrote: boolean
}
type Snapshot = FunctionReturnType<typeof api.accounts.all>

const CLIENTS = 4
/** `pnpm run soak` runs it longer, with a history of its own each time. */
const isSoak = process.env["SOAK"] !== undefined
const CHANGES_EACH = isSoak ? 1000 : 60
const seed = isSoak ? Date.now() : 7

describe("serializability", () => {
  const queries = { "of the engine": api.accounts.all, "of a reader": api.slow.accounts }
  it.each(Object.entries(queries))(
    `random interleavings of several clients equal a serial run in commit order: queries %s (seed ${seed})`,
    async (_name, all) => {
      const deployment = await deploy()
      const random = randomOf(seed)
      const pick = (below: number) => Math.floor(random() * below)
      const changes: Array<Change> = []
      const snapshots: Array<Snapshot> = []
      const watched = watch(connect(deployment), all, {})

      const randomSteps = (): Array<Step> =>
        Array.from({ length: 1 + pick(3) }, () => ({ add: pick(5) === 0 ? null : 1 + pick(9), name: "abcd"[pick(4)]! }))

      const work = async (client: ReturnType<typeof connect> | ReturnType<typeof connectHttp>) => {
        const running: Array<Promise<unknown>> = []
        for (let i = 0; i < CHANGES_EACH; i++) {
          const [steps, fail] = [randomSteps(), pick(6) === 0]
          running.push(
            client.mutation(api.accounts.change, { fail, steps }).then(
              (done) => changes.push({ ...done, steps, ts: done.ts as bigint }),
              (cause: Error) => assert.include(cause.message, "as asked")
            )
          )
          if (pick(3) === 0) running.push(client.query(all, {}).then((snapshot) => snapshots.push(snapshot)))
          if (pick(4) === 0) await Promise.all(running)
        }
        await Promise.all(running)
      }
      const clients = Array.from({ length: CLIENTS }, (_, i) => (i % 2 ? connectHttp(deployment) : connect(deployment)))
      await Promise.all(clients.map(work))
      const last = await connectHttp(deployment).query(all, {})
      await watched.until((value) => !(value instanceof Error) && value.accounts.join() === last.accounts.join())
      snapshots.push(last, ...watched.seen.filter((value): value is Snapshot => !(value instanceof Error)))

      // One that wrote nothing has the time of the commit that it saw.
      const inOrder = changes.toSorted((left, right) =>
        left.ts === right.ts ? Number(right.wrote) - Number(left.wrote) : left.ts < right.ts ? -1 : 1
      )
      const commits = inOrder.filter(({ wrote }) => wrote)
      assert.equal(new Set(commits.map(({ ts }) => ts)).size, commits.length, "every commit has its own time")
      const model = new Map<string, number>()
      const render = () =>
        [...model].toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([name, value]) => `${name}=${value}`)
      const states: Array<Snapshot> = [{ accounts: [], ts: 0n }]
      for (const { before, steps, ts } of inOrder) {
        for (const [i, { add, name }] of steps.entries()) {
          assert.equal(before[i], model.get(name) ?? 0)
          if (add === null) model.delete(name)
          else model.set(name, (model.get(name) ?? 0) + add)
        }
        states.push({ accounts: render(), ts })
      }
      for (const { accounts, ts } of snapshots) {
        assert.deepEqual(accounts, states.findLast((state) => state.ts <= ts)?.accounts, `the snapshot at ${ts}`)
      }
    }
  )
})
