import { stat } from "node:fs/promises"
import { assert, describe, it } from "vitest"
import { faultProxy, openCodeHome, Reply, scriptedProvider, TestkitError } from "../src/index.ts"

const ask = async (url: string, signal?: AbortSignal): Promise<string> => {
  const response = await fetch(`${url}/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "echo", messages: [{ role: "user", content: "hello" }] }),
    signal: signal ?? null
  })
  return response.text()
}

const rejected = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it did not reject"),
    (error: unknown) => error
  )

describe("scriptedProvider", () => {
  it("replies by an async script, and frees its port on disposal", async () => {
    const provider = await scriptedProvider(async ({ lastUserText }) => Reply.text(lastUserText))
    assert.include(await ask(provider.url), `"content":"hello"`)
    await provider.setScript(() => Promise.reject(new Error("a mistake in the script")))
    assert.include(await ask(provider.url), "a mistake in the script")
    assert.strictEqual(await provider.count(), 2)
    assert.deepStrictEqual(
      (await provider.requests()).map(({ ordinal }) => ordinal),
      [1, 2]
    )
    await provider[Symbol.asyncDispose]()
    assert.instanceOf(await rejected(ask(provider.url)), TypeError)
  })

  it("holds a reply until a promise resolves, and waits for a condition until its signal aborts", async () => {
    const gate = Promise.withResolvers<void>()
    await using provider = await scriptedProvider(() => Reply.sequence([Reply.wait(gate.promise), Reply.text("late")]))
    const answer = ask(provider.url)
    await provider.until(({ active }) => active === 1)
    gate.resolve()
    assert.include(await answer, "late")
    await provider.until(({ active }) => active === 0)
    const controller = new AbortController()
    const never = rejected(provider.until(({ chats }) => chats === 99, controller.signal))
    controller.abort()
    await never
  })
})

describe("openCodeHome", () => {
  it("is removed on disposal", async () => {
    const home = await openCodeHome({ git: false, files: { "a.txt": "a" } })
    assert.isTrue((await stat(`${home.directory}/a.txt`)).isFile())
    await home[Symbol.asyncDispose]()
    await rejected(stat(home.root))
  })

  it("rejects with a message that names the remedy", async () => {
    await using home = await openCodeHome({ git: false, files: { occupied: "a file" } })
    const error = await rejected(openCodeHome({ directory: `${home.directory}/occupied/x` }))
    assert.instanceOf(error, TestkitError)
    assert.include(error.message, "could not be written at")
  })
})

describe("faultProxy", () => {
  it("breaks connections, and frees its port on disposal", async () => {
    await using provider = await scriptedProvider(() => Reply.text("hello"))
    const proxy = await faultProxy({ port: Number(new URL(provider.url).port) })
    const url = `${proxy.url}/v1`
    await proxy.delay("20 millis")
    assert.include(await ask(url), "hello")
    await proxy.hold("toTarget")
    const held = ask(url)
    await proxy.restore()
    assert.include(await held, "hello")
    await proxy.cut()
    await proxy.until(({ open }) => open === 0)
    await proxy.refuse()
    assert.instanceOf(await rejected(ask(url)), TypeError)
    assert.strictEqual(await provider.count(), 2)
    assert.isAbove((await proxy.stats()).toClient, 0)
    await proxy[Symbol.asyncDispose]()
    assert.instanceOf(await rejected(ask(url)), TypeError)
  })
})
