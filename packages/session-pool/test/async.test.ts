import { assert, describe, it } from "@effect/vitest"
import { createSessionPool, SessionPoolError } from "../src/async.ts"

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener("abort", () => resolve(), { once: true })
  })
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => assert.fail("it resolved"),
    (error: unknown) => error
  )

const open = () => 1

describe("createSessionPool", () => {
  it("opens once, serves callers in order, closes on disposal", async () => {
    const log: Array<string> = []
    {
      await using pool = await createSessionPool({
        capacity: 1,
        open: async (key: string) => {
          log.push(`+${key}`)
          return key.toUpperCase()
        },
        close: (resource, key) => void log.push(`-${key} ${resource}`)
      })
      assert.deepStrictEqual(
        await Promise.all([1, 2].map((n) => pool.use("a", async (resource) => `${resource}${n}`))),
        ["A1", "A2"]
      )
      assert.deepInclude(pool.stats(), { opens: 1, hits: 1 })
      assert.isTrue(pool.touch("a"))
      assert.deepStrictEqual(pool.keys(), ["a"])
      await pool.invalidate("a")
      await pool.use("b", () => undefined)
    }
    assert.deepStrictEqual(log, ["+a", "-a A", "+b", "-b B"])
  })

  it("rejects with the same value as the caller's function or open, and does not keep a failed open", async () => {
    let attempts = 0
    const [refused, broken] = [new Error("refused"), new Error("broken")]
    await using pool = await createSessionPool({
      capacity: 1,
      open: () => (++attempts === 1 ? Promise.reject(refused) : 7)
    })
    assert.strictEqual(await rejection(pool.use("a", () => 1)), refused)
    assert.strictEqual(await rejection(pool.use("a", () => Promise.reject(broken))), broken)
    assert.strictEqual(await pool.use("a", (resource) => resource), 7)
    assert.strictEqual(attempts, 2)
  })

  it("a signal removes a waiting caller from the queue, and lets a running one end", async () => {
    await using pool = await createSessionPool({ capacity: 1, open: (key: string) => key })
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const [first, second] = [new AbortController(), new AbortController()]
    let ended = false
    const running = rejection(
      pool.use(
        "a",
        async (_, signal) => {
          begin()
          await aborted(signal)
          ended = true
        },
        { signal: first.signal }
      )
    )
    await begun
    const waiting = rejection(pool.use("a", () => "never", { signal: second.signal }))
    second.abort()
    assert.instanceOf(await waiting, Error)
    assert.isFalse(ended)
    first.abort()
    assert.instanceOf(await running, Error)
    assert.isTrue(ended)
    assert.deepInclude(pool.stats(), { resident: 1, inUse: 0, waiting: 0 })
  })

  it("closes the resource of an abandoned open", async () => {
    const { promise: late, resolve: bring } = Promise.withResolvers<string>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<AbortSignal>()
    const { promise: closed, resolve: close } = Promise.withResolvers<string>()
    await using pool = await createSessionPool({
      capacity: 1,
      open: (_: string, signal) => {
        begin(signal)
        return late
      },
      close
    })
    const controller = new AbortController()
    const user = rejection(pool.use("a", () => undefined, { signal: controller.signal }))
    const signal = await begun
    controller.abort()
    await user
    await aborted(signal)
    bring("late resource")
    assert.strictEqual(await closed, "late resource")
  })

  it("rejects with signal.reason after an abort", async () => {
    await using pool = await createSessionPool({ capacity: 1, open: (key: string) => key })
    const controller = new AbortController()
    const reason = new Error("the user quit")
    const running = rejection(pool.use("a", (_, signal) => aborted(signal), { signal: controller.signal }))
    controller.abort(reason)
    assert.strictEqual(await running, reason)
    assert.strictEqual(await rejection(pool.use("a", () => 1, { signal: controller.signal })), reason)
  })

  it("rejects with SessionPoolError after disposal", async () => {
    const pool = await createSessionPool({ capacity: 1, open: (key: string) => key })
    await pool[Symbol.asyncDispose]()
    for (const call of [() => pool.use("a", () => 1), () => pool.invalidate("a"), () => pool.drain()]) {
      const error = await rejection(call())
      assert.instanceOf(error, SessionPoolError)
      assert.strictEqual(error.reason._tag, "Draining")
    }
    assert.strictEqual(pool.stats().resident, 0)
  })

  it.each<[string, unknown]>([
    ["options", undefined],
    ["open", { capacity: 1 }],
    ["open", { capacity: 1, open: "yes" }],
    ["close", { capacity: 1, open, close: "no" }],
    ["onEvent", { capacity: 1, open, onEvent: {} }],
    ["capacity", { open }],
    ["capacity", { capacity: "many", open }],
    ["capacity", { capacity: 0, open }],
    ["concurrency", { capacity: 1, open, concurrency: 0 }],
    ["maxWaiting", { capacity: 1, open, maxWaiting: null }],
    ["maxWait", { capacity: 1, open, maxWait: 1 }],
    ["idleTimeToLive", { capacity: 1, open, idleTimeToLive: "soon" }],
    ["idleTimeToLive", { capacity: 1, open, idleTimeToLive: Number.NaN }],
    ["name", { capacity: 1, open, name: 7 }]
  ])("rejects with InvalidOption, which names %s, for %o", async (option, options) => {
    const error = await rejection(Reflect.apply(createSessionPool, undefined, [options]))
    assert.instanceOf(error, SessionPoolError)
    assert.strictEqual(error.reason._tag, "InvalidOption")
    assert.include(error.message, `Option ${option}`)
  })

  it("rejects with InvalidOption for arguments of the wrong type", async () => {
    await using pool = await createSessionPool({ capacity: 1, open })
    for (const [argument, call] of [
      ["f", Reflect.apply(pool.use, undefined, ["a"])],
      ["timeout", Reflect.apply(pool.drain, undefined, [{ timeout: "soon" }])]
    ] as const) {
      const error = await rejection(call)
      assert.instanceOf(error, SessionPoolError)
      assert.include(error.message, `Option ${argument}`)
    }
  })

  it("passes its events to onEvent, and rejects callers once it drains", async () => {
    const events: Array<unknown> = []
    await using pool = await createSessionPool({
      capacity: 1,
      open: (key: string) => key,
      onEvent: (event) => events.push(event)
    })
    await pool.use("a", () => undefined)
    assert.deepStrictEqual(events, [
      { _tag: "Opening", key: "a" },
      { _tag: "Opened", key: "a" }
    ])
    await pool.drain({ timeout: 1000 })
    const error = await rejection(pool.use("a", () => undefined))
    assert.instanceOf(error, SessionPoolError)
    assert.strictEqual(error.reason._tag, "Draining")
  })
})
