import { ClientError, type SessionId, type TurnId } from "@opencode-worker/client"
import { describe, expect, it, vi } from "vitest"
import { type Draft, Outbox, type OutboxItem, sendable } from "../src/data/Outbox.ts"
import { memoryStore } from "../src/data/storage.ts"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an id is a string
const session = (name: string) => name as SessionId
const draft = (key: string, sessionId = "s"): Draft => ({
  key,
  sessionId: session(sessionId),
  text: key,
  delivery: "queue",
  files: []
})
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an id is a string
const turnOf = (item: OutboxItem) => `turn-${item.key}` as TurnId
const unreachable = () => new ClientError("turns:send", { _tag: "Unreachable", message: "away" })
const refused = () => new ClientError("turns:send", { _tag: "Rejected", code: "Conflict", message: "no", data: null })

const item = (key: string, state: OutboxItem["state"]): OutboxItem => ({ ...draft(key), state, createdAt: 0 })
const states = (outbox: Outbox) => outbox.items.map(({ key, state }) => `${key}: ${state}`)

describe("Outbox", () => {
  it("sends the prompts of a session in their order, and those of sessions independently", async () => {
    const sent: Array<string> = []
    const outbox = new Outbox(memoryStore(), (each) => {
      sent.push(each.key)
      return each.key === "blocked" ? new Promise<never>(() => undefined) : Promise.resolve(turnOf(each))
    })
    await outbox.add(draft("blocked", "a"))
    await outbox.add(draft("after", "a"))
    await outbox.add(draft("other", "b"))
    await vi.waitFor(() => expect(states(outbox)).toContain("other: sent"))
    expect(sent).toEqual(["blocked", "other"])
  })

  it("sends one prompt for two taps, with the key of the draft", async () => {
    const keys: Array<string> = []
    const outbox = new Outbox(memoryStore(), (each) => {
      keys.push(each.key)
      return Promise.resolve(turnOf(each))
    })
    await Promise.all([outbox.add(draft("k")), outbox.add(draft("k"))])
    await vi.waitFor(() => expect(states(outbox)).toEqual(["k: sent"]))
    expect(keys).toEqual(["k"])
  })

  it("keeps a prompt while the deployment is away, over a reload too, and sends it with the same key", async () => {
    const store = memoryStore<OutboxItem>()
    const away = new Outbox(store, () => Promise.reject(unreachable()))
    await away.add(draft("k"))
    await Promise.resolve()
    expect(states(away)).toEqual(["k: waiting"])
    const keys: Array<string> = []
    const reloaded = new Outbox(store, (each) => {
      keys.push(each.key)
      return Promise.resolve(turnOf(each))
    })
    await reloaded.load()
    await vi.waitFor(async () => expect(await store.all()).toEqual([]))
    expect(keys).toEqual(["k"])
  })

  it("holds back later prompts of the session behind a refused one, until it is removed or accepted", async () => {
    let isRefusing = true
    const outbox = new Outbox(memoryStore(), (each) =>
      isRefusing && each.key === "a" ? Promise.reject(refused()) : Promise.resolve(turnOf(each))
    )
    await outbox.add(draft("a"))
    await outbox.add(draft("b"))
    await vi.waitFor(() => expect(states(outbox)).toEqual(["a: refused", "b: waiting"]))
    isRefusing = false
    outbox.retry("a")
    await vi.waitFor(() => expect(states(outbox)).toEqual(["a: sent", "b: sent"]))
    outbox.seen(new Set(["turn-a"]))
    expect(states(outbox)).toEqual(["b: sent"])
  })

  it("has nothing to send behind an item in another state", () => {
    expect(sendable([item("a", "refused"), item("b", "waiting")])).toEqual([])
    expect(sendable([item("a", "sent"), item("b", "waiting")]).map(({ key }) => key)).toEqual(["b"])
  })
})
