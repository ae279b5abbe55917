import { ConvexError } from "convex/values"
import { assert, describe, it } from "vitest"
import { connect, connectHttp, deploy, deployForAll, emptied, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

const shared = deployForAll()

describe("subscriptions", () => {
  it("are updated by every relevant write, those of their own client before the mutation resolves", async () => {
    const deployment = await emptied(shared())
    const client = connect(deployment)
    const counter = watch(client, api.counters.read, { name: "n" })
    await counter.until((value) => value === 0)
    for (let value = 1; value <= 20; value++) {
      await client.mutation(api.counters.add, { name: "n" })
      assert.equal(counter.latest(), value)
    }
    await connectHttp(deployment).mutation(api.counters.add, { name: "n" })
    await counter.until((value) => value === 21)
  })

  it("do not run again after writes outside of their read ranges", async () => {
    const deployment = await emptied(shared())
    const client = connect(deployment)
    await client.mutation(api.messages.sendMany, { channel: "a", count: 5 })
    const latest = watch(client, api.messages.latest, { channel: "a", count: 2 })
    await latest.until(Array.isArray)
    await client.mutation(api.messages.send, { author: "x", channel: "b", text: "elsewhere" })
    const oldest = (await client.query(api.messages.list, { channel: "a" }))[0]!
    await client.mutation(api.messages.edit, { id: oldest._id, text: "behind the two that were read" })
    assert.lengthOf(latest.seen, 1)
    await client.mutation(api.messages.send, { author: "x", channel: "a", text: "in front" })
    assert.lengthOf(latest.seen, 2)
  })

  it("fail beyond 1,000 of a connection, and the others are kept", async () => {
    const deployment = await emptied(shared())
    const client = connect(deployment)
    const watches = Array.from({ length: 1001 }, (_, i) => watch(client, api.counters.read, { name: `n${i}` }))
    const last = watches.pop()
    const error = await last?.until((value) => value instanceof Error)
    assert.match(String(error), /A connection can subscribe to 1000 queries\. Unsubscribe from those/)
    await Promise.all(watches.map((each) => each.until((value) => value === 0)))
    await client.mutation(api.counters.add, { name: "n0" })
    assert.equal(watches[0]?.latest(), 1)
    assert.isTrue(client.connectionState().isWebSocketConnected)
    assert.equal(client.connectionState().connectionCount, 1)

    watches[0]?.stop()
    last?.stop()
    const again = watch(client, api.counters.read, { name: "n0" })
    await again.until((value) => value === 1)
  })

  it("all queries of a client move to one timestamp together", async () => {
    const deployment = await emptied(shared())
    const client = connect(deployment)
    const sums: Array<number> = []
    const [from, to] = [
      watch(client, api.counters.read, { name: "from" }),
      watch(client, api.counters.read, { name: "to" })
    ]
    await Promise.all([from.until((value) => value === 0), to.until((value) => value === 0)])
    const stop = client.client.addOnTransitionHandler(() => {
      const [source, target] = ["from", "to"].map((name) => client.client.localQueryResult("counters:read", { name }))
      sums.push((source as number) + (target as number))
    })
    const other = connectHttp(deployment)
    for (let i = 0; i < 20; i++) await other.mutation(api.counters.transfer, { from: "from", to: "to" })
    await to.until((value) => value === 20)
    stop()
    assert.isNotEmpty(sums)
    assert.isTrue(sums.every((sum) => sum === 0))
  })

  it("an equal subscription of many clients is computed once per write", async () => {
    const deployment = await emptied(shared())
    const watches = Array.from({ length: 10 }, () => watch(connect(deployment), api.misc.executions, {}))
    await Promise.all(watches.map((each) => each.until((value) => typeof value === "number")))
    const before = (await watches[0]!.until(() => true)) as number
    await connectHttp(deployment).mutation(api.misc.put, { value: "x" })
    const after = await Promise.all(watches.map((each) => each.until((value) => value !== before)))
    assert.deepEqual(new Set(after), new Set([before + 1]))
  })

  it("a failing query reports its failure, its data, and its recovery", async () => {
    const client = connect(await emptied(shared()))
    const query = watch(client, api.messages.failQuery, { channel: "c" })
    const failure = await query.until((value) => value instanceof Error)
    assert.instanceOf(failure, ConvexError)
    assert.equal((failure as ConvexError<string>).data, "empty")
    const other = watch(client, api.counters.read, { name: "n" })
    await other.until((value) => value === 0)
    await client.mutation(api.messages.send, { author: "a", channel: "c", text: "there" })
    await query.until((value) => value === "there")
  })

  it("end when they are removed", async () => {
    const client = connect(await emptied(shared()))
    const counter = watch(client, api.counters.read, { name: "n" })
    await counter.until((value) => value === 0)
    counter.stop()
    await client.mutation(api.counters.add, { name: "n" })
    assert.deepEqual(counter.seen, [0])
    assert.equal(await client.query(api.counters.read, { name: "n" }), 1)
  })

  it("continue after a restart of the deployment on the same port", async () => {
    const first = await deploy()
    const [port, dataDir] = [Number(new URL(first.url).port), first.dataDir]
    const client = connect(first)
    const counter = watch(client, api.counters.read, { name: "n" })
    await client.mutation(api.counters.add, { name: "n" })
    await first.close()
    const pending = client.mutation(api.counters.add, { name: "n" })
    await deploy({ dataDir, port })
    assert.equal(await pending, 2)
    await counter.until((value) => value === 2)
  })
})
