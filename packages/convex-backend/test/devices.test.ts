/** Devices from the code to the revocation, with real keys and with tokens that the deployment issues and verifies. */
import { ConvexClient, type ConvexHttpClient } from "convex/browser"
import { decodeJwt, SignJWT } from "jose"
import { afterEach, assert, describe, it, onTestFinished } from "vitest"
import { DEVICE_AUDIENCE, DEVICE_ISSUER, JWKS_PATH } from "../convex/deviceTokens.ts"
import { api } from "../src/api.ts"
import { passTime, resetTime } from "./support/clock.ts"
import {
  answerRequest,
  enlist,
  ids,
  newSession,
  openRequest,
  permission,
  refusalOf,
  send,
  useDeployment
} from "./support/deployment.ts"
import { assertion, type Key, newDevice, newKey, signIn } from "./support/device.ts"

const deployment = useDeployment()
afterEach(resetTime)

const minutes = 60_000
const claim = (code: string, { publicKey }: Key) =>
  deployment().anonymous().mutation(api.devices.claim, { code, publicKey })
const issue = (token: string) => deployment().anonymous().action(api.tokens.issue, { assertion: token })
const list = (client: ConvexHttpClient) => client.query(api.devices.list, {})

describe("a code", () => {
  it("makes the device that claims it one of the operator, also when it is typed in another form", async () => {
    const operator = await deployment().operator()
    const { code, expiresAt } = await operator.mutation(api.devices.add, { name: "Phone", scope: "approve" })
    assert.match(code, /^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/)
    assert.closeTo(expiresAt, Date.now() + 5 * minutes, 10_000)
    const key = await newKey()
    const claimed = await claim(code.toLowerCase().replaceAll("-", " "), key)
    assert.deepInclude(claimed, { name: "Phone", scope: "approve" })
    const client = await signIn(deployment(), claimed.deviceId, key)
    assert.deepStrictEqual(
      (await list(client)).map(({ name, scope, isCurrent, revokedAt }) => ({ name, scope, isCurrent, revokedAt })),
      [{ name: "Phone", scope: "approve", isCurrent: true, revokedAt: null }]
    )
    assert.isFalse((await list(operator))[0]?.isCurrent)
  })

  it("is used once; the same key may claim it again, because the answer may be lost", async () => {
    const operator = await deployment().operator()
    const { code } = await operator.mutation(api.devices.add, { name: "Phone", scope: "read" })
    const key = await newKey()
    const first = await claim(code, key)
    assert.deepStrictEqual(await claim(code, key), first)
    assert.strictEqual(await refusalOf(claim(code, await newKey())), "Conflict")
    assert.lengthOf(await list(operator), 1)
  })

  it("expires after 5 minutes", async () => {
    const operator = await deployment().operator()
    const { code } = await operator.mutation(api.devices.add, { name: "Phone", scope: "read" })
    passTime(5 * minutes + 1)
    assert.strictEqual(await refusalOf(claim(code, await newKey())), "Expired")
  })

  it("exists at most 10 times unused, and others take the place of expired ones", async () => {
    const operator = await deployment().operator()
    const add = () => operator.mutation(api.devices.add, { name: "Phone", scope: "read" })
    const [first] = await Promise.all(Array.from({ length: 10 }, add))
    assert.strictEqual(await refusalOf(add()), "RateLimited")
    await claim(first?.code ?? "", await newKey())
    await add()
    passTime(5 * minutes + 1)
    await add()
    // Another operator is not affected.
    await (await deployment().operator()).mutation(api.devices.add, { name: "Phone", scope: "read" })
  })

  it("counts as a device, so that no operator has more than 100", async () => {
    const operator = await deployment().operator()
    const add = () => operator.mutation(api.devices.add, { name: "Phone", scope: "read" })
    const key = await newKey()
    for (let count = 0; count < 91; count++) await claim((await add()).code, key)
    for (let count = 0; count < 9; count++) await add()
    assert.strictEqual(await refusalOf(add()), "RateLimited")
    assert.lengthOf(await list(operator), 91)
  })

  it("of the administrator makes the first device of a deployment without a login provider", async () => {
    const invited = await deployment().run("devices:invite", { name: "laptop" })
    const key = await newKey()
    const { deviceId, scope } = await claim(String(Reflect.get(Object(invited), "code")), key)
    assert.strictEqual(scope, "operate")
    const laptop = await signIn(deployment(), deviceId, key)
    const worker = await enlist(laptop)
    const phone = await newDevice(deployment(), laptop, "read")
    const workers = await phone.client.query(api.workers.list, {})
    assert.isTrue(workers.some(({ workerId }) => workerId === worker.workerId))
  })
})

describe("a token", () => {
  it("is the deployment's, for 5 minutes", async () => {
    const operator = await deployment().operator()
    const { deviceId, key } = await newDevice(deployment(), operator, "read")
    const { expiresAt, token } = await issue(await assertion(deviceId, key))
    const { exp = 0, iat = 0, ...claims } = decodeJwt(token)
    assert.deepStrictEqual(claims, { iss: DEVICE_ISSUER, sub: deviceId, aud: DEVICE_AUDIENCE })
    assert.strictEqual(exp - iat, 300)
    assert.closeTo(expiresAt, exp * 1000, 1_000)
  })

  it("needs the key of the device, a recent assertion, and this purpose", async () => {
    const operator = await deployment().operator()
    const one = await newDevice(deployment(), operator, "read")
    const other = await newDevice(deployment(), operator, "operate")
    const refused = async (token: Promise<string>) => refusalOf(issue(await token))
    assert.strictEqual(await refused(assertion(other.deviceId, one.key)), "Unauthenticated")
    assert.strictEqual(await refused(assertion("unknown", one.key)), "Unauthenticated")
    assert.strictEqual(await refused(assertion(one.deviceId, one.key, Date.now() - 6 * minutes)), "Expired")
    assert.strictEqual(await refused(assertion(one.deviceId, one.key, Date.now() + 6 * minutes)), "Expired")
    assert.strictEqual(await refused(assertion(one.deviceId, one.key, Date.now(), "other")), "InvalidArgument")
    const [header, , signature] = (await assertion(one.deviceId, one.key)).split(".")
    const [, payload] = (await assertion(other.deviceId, one.key)).split(".")
    assert.strictEqual(await refusalOf(issue(`${header}.${payload}.${signature}`)), "Unauthenticated")
    assert.strictEqual(await refusalOf(issue(`${header}.${payload}.`)), "Unauthenticated")
  })

  it("that a device signs itself is refused", async () => {
    const operator = await deployment().operator()
    const { deviceId, key } = await newDevice(deployment(), operator, "operate")
    const client = deployment().anonymous()
    const own = new SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: "1", typ: "JWT" })
      .setIssuer(DEVICE_ISSUER)
      .setAudience(DEVICE_AUDIENCE)
      .setSubject(deviceId)
      .setIssuedAt()
      .setExpirationTime("5 min")
    client.setAuth(await own.sign(key.privateKey))
    const failure = await client.query(api.devices.list, {}).then(() => undefined, String)
    assert.match(failure ?? "", /InvalidAuthHeader/)
  })

  it("is verified by the public key of the route, which never shows the private one", async () => {
    const response = await fetch(`${deployment().url}${JWKS_PATH}`)
    const { keys } = JSON.parse(await response.text())
    assert.sameMembers(Object.keys(keys[0]), ["kty", "crv", "x", "y", "kid", "alg", "use"])
  })
})

describe("a device that is revoked", () => {
  it("loses access at once, also on open subscriptions and by tokens that have not expired", async () => {
    const operator = await deployment().operator()
    const { client, deviceId, key } = await newDevice(deployment(), operator, "operate")
    const { token } = await issue(await assertion(deviceId, key))
    const live = new ConvexClient(deployment().url, { logger: false })
    onTestFinished(() => live.close())
    live.setAuth(() => Promise.resolve(token))
    const answered = Promise.withResolvers<unknown>()
    const ended = Promise.withResolvers<never>()
    live.onUpdate(api.workers.list, {}, answered.resolve, ended.reject)
    await answered.promise
    await operator.mutation(api.devices.revoke, { deviceId })
    assert.strictEqual(await refusalOf(ended.promise), "Revoked")
    assert.strictEqual(await refusalOf(list(client)), "Revoked")
    assert.strictEqual(await refusalOf(client.action(api.pairing.approve, { code: "0" })), "Revoked")
    assert.strictEqual(await refusalOf(issue(await assertion(deviceId, key))), "Revoked")
    assert.strictEqual(await refusalOf(live.mutation(api.devices.leave, {})), "Revoked")
    await operator.mutation(api.devices.revoke, { deviceId })
    const [device] = await list(operator)
    assert.deepInclude(device, { deviceId })
    assert.isNumber(device?.revokedAt)
  })

  it("lets no device join with a code that it has created", async () => {
    const operator = await deployment().operator()
    const { client, deviceId } = await newDevice(deployment(), operator, "operate")
    const { code } = await client.mutation(api.devices.add, { name: "later", scope: "operate" })
    const other = await operator.mutation(api.devices.add, { name: "other", scope: "operate" })
    await operator.mutation(api.devices.revoke, { deviceId })
    assert.strictEqual(await refusalOf(claim(code, await newKey())), "Revoked")
    assert.include(await claim(other.code, await newKey()), { name: "other" })
  })

  it("can be the calling one", async () => {
    const operator = await deployment().operator()
    const { client } = await newDevice(deployment(), operator, "read")
    await client.mutation(api.devices.leave, {})
    assert.strictEqual(await refusalOf(list(client)), "Revoked")
    assert.isNull(await operator.mutation(api.devices.leave, {}))
  })

  it("stays in the list after the active ones", async () => {
    const operator = await deployment().operator()
    const first = await newDevice(deployment(), operator, "read", "first")
    await newDevice(deployment(), operator, "read", "second")
    await operator.mutation(api.devices.rename, { deviceId: first.deviceId, name: "renamed" })
    await operator.mutation(api.devices.revoke, { deviceId: first.deviceId })
    await newDevice(deployment(), operator, "read", "third")
    assert.deepStrictEqual(
      (await list(operator)).map(({ name, revokedAt }) => [name, revokedAt === null]),
      [
        ["third", true],
        ["second", true],
        ["renamed", false]
      ]
    )
  })
})

describe("devices of one operator", () => {
  it("share sessions and workers with each other and with the login of the operator", async () => {
    const operator = await deployment().operator()
    const phone = await newDevice(deployment(), operator, "operate", "phone")
    const laptop = await newDevice(deployment(), operator, "read", "laptop")
    const { workerId } = await enlist(phone.client)
    const sessionId = await newSession(operator, workerId)
    assert.deepInclude(await laptop.client.query(api.sessions.get, { sessionId }), { workerId })
  })

  it("are named by the audit", async () => {
    const operator = await deployment().operator()
    const { client, deviceId } = await newDevice(deployment(), operator, "operate", "phone")
    const worker = await enlist(client)
    const turnId = await send(operator, await newSession(operator, worker.workerId))
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    const requestId = await openRequest(operator, { ...worker, turnId, ...permission })
    await answerRequest(client, requestId, { type: "once" })
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    const paginationOpts = { numItems: 10, cursor: null }
    const ofWorker = await operator.query(api.workers.audit, { workerId: worker.workerId, paginationOpts })
    const phone = { deviceId, name: "phone" }
    assert.deepStrictEqual(
      ofWorker.page.map(({ action, device }) => [action, device]),
      [
        ["revoke", null],
        ["answer", phone],
        ["approve", phone]
      ]
    )
    await client.mutation(api.devices.leave, {})
    const ofDevices = await operator.query(api.devices.audit, { paginationOpts })
    assert.deepStrictEqual(
      ofDevices.page.map(({ action, device, detail }) => [action, device, detail]),
      [
        ["revokeDevice", phone, "operate: phone"],
        ["claimDevice", phone, "operate: phone"],
        ["addDevice", null, "operate: phone"]
      ]
    )
  })

  it("are seen again at most every 10 minutes", async () => {
    const operator = await deployment().operator()
    const { deviceId, key } = await newDevice(deployment(), operator, "read")
    const lastSeen = async () => (await list(operator))[0]?.lastSeenAt ?? 0
    const first = await lastSeen()
    passTime(9 * minutes)
    await issue(await assertion(deviceId, key))
    assert.strictEqual(await lastSeen(), first)
    passTime(11 * minutes)
    await issue(await assertion(deviceId, key))
    assert.isAtLeast(await lastSeen(), first + 10 * minutes)
  })
})
