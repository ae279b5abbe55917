/** Web Push from a real deployment to a receiver that decrypts each message and checks the signature of its sender. */
import { webcrypto } from "node:crypto"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"
import { checkSubject, encryptPush, fromBase64Url, toBase64Url } from "../convex/webPush.ts"
import { api } from "../src/api.ts"
import { passTime, resetTime } from "./support/clock.ts"
import { enlist, eventually, ids, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"
import { newDevice } from "./support/device.ts"
import { newSubscription, verifySender } from "./support/pushReceiver.ts"
import { newReceiver } from "./support/receiver.ts"

const deployment = useDeployment()
let receiver: Awaited<ReturnType<typeof newReceiver>>
beforeAll(async () => {
  process.env["OPENCODE_WORKER_NOTIFY_LOCAL"] = "1"
  receiver = await newReceiver()
})
afterAll(() => {
  delete process.env["OPENCODE_WORKER_NOTIFY_LOCAL"]
  receiver.close()
})
afterEach(() => {
  delete process.env["OPENCODE_WORKER_PUSH_SUBJECT"]
  resetTime()
})

let paths = 0

/** An operator with a worker, and a phone that may only read. */
const setUp = async (content = false) => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId, "Refactor")
  const phone = await newDevice(deployment(), operator, "read")
  const path = `/push${paths++}`
  const subscription = newSubscription(`${receiver.url}${path}`)
  const subscribe = (to = subscription) =>
    phone.client.mutation(api.pushSubscriptions.subscribe, { endpoint: to.endpoint, ...to.keys, content })
  const received = (at = path) => receiver.received.filter((each) => each.path === at)
  return {
    operator,
    phone,
    path,
    subscription,
    subscribe,
    received,
    targets: () => operator.query(api.notifications.list, {}),
    fail: async () => {
      const turnId = await send(operator, sessionId, "Do it")
      await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
      const error = { name: "E", message: "The provider failed" }
      await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "failed", error, parts: [] })
      passTime(5_000)
      await enlist(await deployment().operator())
      return turnId
    }
  }
}

describe("a subscription", () => {
  it("receives what appears in the inbox, encrypted for it and signed by the deployment", async () => {
    const { fail, phone, received, subscribe, subscription } = await setUp(true)
    const { key } = await phone.client.action(api.pushSubscriptions.key, {})
    assert.strictEqual(Buffer.from(key, "base64url").length, 65)
    await subscribe()
    const turnId = await fail()
    const [message] = await eventually(
      async () => received(),
      ({ length }) => length === 1
    )
    if (message === undefined) throw new Error("Nothing was received")
    const { headers } = message
    assert.deepInclude(headers, { "content-encoding": "aes128gcm", ttl: "86400", urgency: "normal" })
    assert.match(headers["topic"]?.toString() ?? "", /^[\w-]{32}$/)
    assert.notInclude(message.body, "provider")
    const text: unknown = JSON.parse(subscription.decrypt(message.bytes))
    assert.deepInclude(text, { kind: "failed", turnId, heading: "A turn failed", title: "Refactor" })
    const sender = await verifySender(headers, receiver.url)
    assert.strictEqual(sender.key, key)
    assert.strictEqual(sender.payload.sub, "https://github.com/opencode-worker/opencode-worker")
    assert.isAtMost((sender.payload.exp ?? Infinity) - Date.now() / 1_000, 12 * 3_600)
  })

  it("receives no content unless it wants it, and no message is longer than a push service accepts", async () => {
    const { operator, received, subscribe, subscription } = await setUp()
    const targetId = await subscribe()
    assert.deepStrictEqual(await operator.action(api.notifications.test, { targetId }), { error: null })
    const [message] = received()
    if (message === undefined) throw new Error("Nothing was received")
    assert.isAtMost(message.bytes.length, 4_096)
    const text: object = JSON.parse(subscription.decrypt(message.bytes))
    assert.deepInclude(text, { kind: "test", heading: "A test" })
    assert.doesNotHaveAnyKeys(text, ["title", "subject"])
  })

  it("that is renewed replaces the earlier one of the device, and ends with the device", async () => {
    const { operator, path, phone, subscribe, targets } = await setUp()
    const first = await subscribe()
    assert.strictEqual(await subscribe(newSubscription(`${receiver.url}${path}/renewed`)), first)
    const [target, ...others] = await targets()
    assert.deepStrictEqual(others, [])
    // The endpoint is a capability: only its origin is shown.
    assert.deepInclude(target, { kind: "push", url: receiver.url, deviceId: phone.deviceId, hasSecret: false })
    // A renewal keeps what was chosen.
    const choose = (name: string, chosen: { wants?: Array<"failed">; content?: boolean }) => {
      const { endpoint, keys } = newSubscription(`${receiver.url}${path}/${name}`)
      return phone.client.mutation(api.pushSubscriptions.subscribe, { endpoint, ...keys, ...chosen })
    }
    await choose("chosen", { wants: ["failed"], content: true })
    await choose("later", {})
    assert.deepInclude((await targets())[0], { wants: ["failed"], content: true })
    await operator.mutation(api.devices.revoke, { deviceId: phone.deviceId })
    assert.deepStrictEqual(await targets(), [])
  })

  it("that the browser has ended is removed, and one that the page ends too", async () => {
    const { operator, phone, subscribe, subscription, targets } = await setUp()
    const targetId = await subscribe()
    receiver.answers.push(410)
    assert.deepStrictEqual(await operator.action(api.notifications.test, { targetId }), { error: "The answer was 410" })
    assert.deepStrictEqual(await targets(), [])
    await subscribe()
    await phone.client.mutation(api.pushSubscriptions.unsubscribe, { endpoint: subscription.endpoint })
    assert.deepStrictEqual(await targets(), [])
  })

  it("with other keys or an insecure endpoint is rejected", async () => {
    const { phone, subscription } = await setUp()
    const { endpoint, keys } = subscription
    const refused = (change: object) =>
      refusalOf(phone.client.mutation(api.pushSubscriptions.subscribe, { endpoint, ...keys, ...change }))
    for (const change of [{ p256dh: "AAAA" }, { auth: "not base64!" }, { endpoint: "http://push.example/a" }]) {
      assert.strictEqual(await refused(change), "InvalidArgument")
    }
  })

  it("uses the key of the deployment after a restart, and reports a subject that Apple would refuse", async () => {
    const { operator, phone, subscribe } = await setUp()
    const before = await phone.client.action(api.pushSubscriptions.key, {})
    await deployment().restart()
    assert.deepStrictEqual(await phone.client.action(api.pushSubscriptions.key, {}), before)
    const targetId = await subscribe()
    process.env["OPENCODE_WORKER_PUSH_SUBJECT"] = "mailto:admin@localhost"
    const { error } = await operator.action(api.notifications.test, { targetId })
    assert.include(error, "OPENCODE_WORKER_PUSH_SUBJECT")
  })
})

describe("the encryption", () => {
  it("equals the example of RFC 8291", async () => {
    const point = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
    const bytes = Buffer.from(point, "base64url")
    const algorithm = { name: "ECDH", namedCurve: "P-256" }
    const jwk = {
      kty: "EC",
      crv: "P-256",
      x: bytes.subarray(1, 33).toString("base64url"),
      y: bytes.subarray(33).toString("base64url"),
      d: "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
    }
    const sender = {
      privateKey: await webcrypto.subtle.importKey("jwk", jwk, algorithm, true, ["deriveBits"]),
      publicKey: await webcrypto.subtle.importKey("raw", bytes, algorithm, true, [])
    }
    const keys = {
      p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
      auth: "BTBZMqHH6r4Tts7J_aSIgg"
    }
    const text = "When I grow up, I want to be a watermelon"
    assert.strictEqual(
      toBase64Url(await encryptPush(text, keys, sender, fromBase64Url("DGv6ra1nlYgDCS1FRnbzlw"))),
      `DGv6ra1nlYgDCS1FRnbzlwAAEABB${point}_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN`.replace(
        "jl7A8_yl",
        "jl7A_yl"
      )
    )
  })

  it("takes only subjects that all push services accept", () => {
    for (const subject of ["mailto:admin@example.org", "https://example.org/contact"]) {
      assert.strictEqual(checkSubject(subject), subject)
    }
    for (const subject of [
      "",
      "admin@example.org",
      "mailto: admin@example.org",
      "mailto:a@localhost",
      "http://example.org",
      "https://localhost"
    ]) {
      assert.throws(() => checkSubject(subject))
    }
  })
})
