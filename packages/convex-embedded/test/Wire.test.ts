import { once } from "node:events"
import { anyApi } from "convex/server"
import { assert, describe, it, vi } from "vitest"
import { WebSocket } from "ws"
import { limits } from "../src/internal/values/limits.ts"
import { connect, deploy, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import { project } from "./project.ts"
import { randomOf } from "./random.ts"
import { openSocket } from "./raw.ts"

/** Messages as a client sends them, to be damaged. */
const messages = (sessionId: string): ReadonlyArray<Record<string, unknown>> => [
  { connectionCount: 0, lastCloseReason: null, sessionId, type: "Connect" },
  { baseVersion: 0, tokenType: "None", type: "Authenticate" },
  { baseVersion: 0, tokenType: "User", type: "Authenticate", value: "a.b.c" },
  {
    baseVersion: 0,
    modifications: [
      { args: [{ name: "fuzz" }], queryId: 0, type: "Add", udfPath: "counters:read" },
      { queryId: 0, type: "Remove" }
    ],
    newVersion: 1,
    type: "ModifyQuerySet"
  },
  { args: [{ name: "fuzz" }], requestId: 0, type: "Mutation", udfPath: "counters:add" },
  { args: [{ channel: "fuzz", text: "x" }], requestId: 1, type: "Action", udfPath: "messages:throughAction" },
  { event: {}, eventType: "ClientConnect", type: "Event" }
]

const WRONG = [null, -1, 1.5, "", "x".repeat(5000), [], {}, [[[[]]]], true, 2 ** 60, { $integer: "?" }, "__proto__"]

const ROUNDS = 150

/** Of a megabyte each: more than may be unsent. */
const CALLS = 120

/** Queries that all change at once, to nearly the largest result that they may have. */
const LARGE = `
  import { action, mutation, query } from "./_generated/server"
  export const read = query(async (ctx, { which }) => {
    const { length } = await ctx.db.query("things").collect()
    return (which + " " + length + " ").padEnd(15 * 1024 * 1024, "x")
  })
  export const touch = mutation((ctx) => ctx.db.insert("things", {}))
  export const answer = action(() => null)
`

describe("the sync protocol", () => {
  it("random, damaged and reordered messages affect only their own connection", async () => {
    const deployment = await deploy()
    const random = randomOf(11)
    const pick = <A>(list: ReadonlyArray<A>): A => list[Math.floor(random() * list.length)]!
    const damage = (value: unknown): unknown => {
      if (value === null || typeof value !== "object" || random() < 0.3) return pick(WRONG)
      const entries = Object.entries(value)
      const at = Math.floor(random() * entries.length)
      const changed = entries.flatMap(([field, inner], i) =>
        i !== at ? [[field, inner]] : random() < 0.3 ? [] : [[field, damage(inner)]]
      )
      return Array.isArray(value) ? changed.map(([, inner]) => inner) : Object.fromEntries(changed)
    }
    const frame = (message: unknown): string | Buffer => {
      const text = JSON.stringify(random() < 0.6 ? damage(message) : message)
      if (random() < 0.1) return text.slice(0, Math.floor(random() * text.length))
      return random() < 0.05 ? Buffer.from(text) : text
    }

    const client = connect(deployment)
    const counter = watch(client, api.counters.read, { name: "n" })
    await counter.until((value) => value === 0)
    for (let round = 0; round < ROUNDS; round++) {
      const socket = await openSocket(deployment.url)
      const all = messages(crypto.randomUUID())
      if (random() < 0.7) socket.send(JSON.stringify(all[0]))
      for (let i = 0; i < 6; i++) socket.send(frame(pick(all)))
      if (random() < 0.5) socket.terminate()
      else socket.close()
      if (round % 30 === 0) {
        const value = await client.mutation(api.counters.add, { name: "n" })
        await counter.until((seen) => seen === value)
      }
    }
    assert.equal(counter.seen.length, 1 + ROUNDS / 30)
    assert.isTrue(counter.seen.every((value) => typeof value === "number"))
    assert.equal(client.connectionState().connectionRetries, 0)
    assert.equal(client.connectionState().connectionCount, 1)
  })

  it("a large transition is sent in parts to clients that join them, and whole to others", async () => {
    const deployment = await deploy()
    const client = connect(deployment)
    const value = "é🙂".repeat(150_000)
    for (let i = 0; i < 13; i++) await client.mutation(api.misc.put, { value })
    const typesAt = async (path: string) => {
      const raw = await openSocket(deployment.url, path)
      const types = new Set<string>()
      const add = { args: [{}], queryId: 0, type: "Add", udfPath: "misc:sorted" }
      raw.send(JSON.stringify(messages(crypto.randomUUID())[0]))
      raw.send(JSON.stringify({ baseVersion: 0, modifications: [add], newVersion: 1, type: "ModifyQuerySet" }))
      for (;;) {
        const [data] = (await once(raw, "message")) as [Buffer]
        const message = JSON.parse(data.toString()) as { partNumber?: number; totalParts?: number; type: string }
        const { partNumber = 0, totalParts = 1, type } = message
        types.add(type)
        if (partNumber === totalParts - 1) return [...types]
      }
    }
    for (const version of ["1.28.0", "1.49.0", "2.0.0-alpha.1"]) {
      assert.deepEqual(await typesAt(`/api/${version}/sync`), ["TransitionChunk"], version)
    }
    // Clients that do not know parts, and those in other languages.
    for (const path of ["/api/1.27.5/sync", "/api/sync", "/api/0.3.1/sync"]) {
      assert.deepEqual(await typesAt(path), ["Transition"], path)
    }
    const found = await connect(deployment).query(api.misc.sorted, {})
    assert.lengthOf(found, 13)
    assert.isTrue(found.every((each) => each === value))
  })

  it("a transition larger than the unsent limit arrives, followed by later answers", async () => {
    const deployment = await deploy({ functions: project({ "large.ts": LARGE }) })
    const client = connect(deployment)
    const watches = [0, 1, 2, 3, 4].map((which) => watch(client, anyApi["large"]!["read"]!, { which }))
    const arrival = (round: number) =>
      Promise.all(
        watches.map((each, which) =>
          each.until((value: unknown) => value === `${which} ${round} `.padEnd(15 * 1024 * 1024, "x"))
        )
      )
    await arrival(0)
    const touched = client.mutation(anyApi["large"]!["touch"]!, {})
    const all = arrival(1).then(() => true)
    // Answers to other calls are not to come between its parts.
    const answered = () => client.action(anyApi["large"]!["answer"]!, {})
    while (!(await Promise.race([all, answered()])));
    await touched
    assert.equal(client.connectionState().connectionCount, 1)
  })

  it("more concurrent mutations than the limit all run, in order", async () => {
    const client = connect(await deploy())
    const count = 2 * limits.waitingCalls + 10
    const results = await Promise.all(
      Array.from({ length: count }, () => client.mutation(api.counters.add, { name: "n" }))
    )
    assert.deepEqual(
      results,
      Array.from({ length: count }, (_, i) => i + 1)
    )
    assert.equal(client.connectionState().connectionCount, 1)
  })

  it("a client that never reads is disconnected, and others continue", { timeout: 100_000 }, async () => {
    const deployment = await deploy()
    const slow = await openSocket(deployment.url)
    const value = "x".repeat(900_000)
    slow.pause()
    slow.send(JSON.stringify(messages(crypto.randomUUID())[0]))
    let received = 0
    slow.on("message", () => received++)
    const closed = once(slow, "close")
    for (let requestId = 0; requestId < CALLS; requestId++) {
      slow.send(JSON.stringify({ args: [{ value }], requestId, type: "Mutation", udfPath: "misc:echo" }))
    }
    const client = connect(deployment)
    assert.equal(await client.mutation(api.counters.add, { name: "n" }), 1)
    // It does not read that it is cut off; what it writes then fails.
    await vi.waitFor(() => slow.ping(() => undefined) ?? assert.notEqual(slow.readyState, WebSocket.OPEN), {
      interval: 50,
      timeout: 80_000
    })
    slow.resume()
    await closed
    assert.isBelow(received, CALLS)
    assert.equal(await client.mutation(api.counters.add, { name: "n" }), 2)
  })
})
