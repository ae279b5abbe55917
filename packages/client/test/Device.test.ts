import { assert, describe, it } from "vitest"
import { claimDevice, ClientError, createClient, createDeviceKey, type Device, type DeviceScope } from "../src/index.ts"
import { useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()
const rejection = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)
const reasonOf = async (promise: Promise<unknown>) => {
  const error = await rejection(promise)
  assert.instanceOf(error, ClientError)
  return error.reason
}

const pair = async (scope: DeviceScope) => {
  const { url } = deployment()
  const owner = deployment().operator()
  const { code } = await owner.devices.add({ name: "phone", scope })
  const key = await createDeviceKey()
  const { deviceId, ...claimed } = await claimDevice({ url, code, key })
  assert.deepStrictEqual(claimed, { name: "phone", scope })
  const device: Device = { deviceId, privateKey: key.privateKey }
  const client = createClient({ url, device })
  const close = async () => {
    await client[Symbol.asyncDispose]()
    await owner[Symbol.asyncDispose]()
  }
  return { owner, client, device, code, [Symbol.asyncDispose]: close }
}

describe("a device", () => {
  it("signs in with a key that cannot be exported", async () => {
    await using there = await pair("read")
    assert.isFalse(there.device.privateKey.extractable)
    const [device] = await there.client.devices.list()
    assert.deepInclude(device, { deviceId: there.device.deviceId, name: "phone", isCurrent: true })
    const forbidden = await reasonOf(there.client.devices.add({ name: "other", scope: "read" }))
    assert.deepInclude(forbidden, { _tag: "Rejected", code: "Forbidden" })
  })

  it("is renamed by its owner, who reads what was done with devices", async () => {
    await using there = await pair("read")
    const { client, device, owner } = there
    await owner.devices.rename(device.deviceId, "tablet")
    assert.deepInclude((await client.devices.list())[0], { name: "tablet" })
    const audit: Array<string> = []
    for await (const { action } of owner.devices.audit()) audit.push(action)
    assert.deepStrictEqual(audit, ["claimDevice", "addDevice"])
  })

  it("that is revoked ends its subscriptions, and a new client of it fails with Revoked", async () => {
    await using there = await pair("operate")
    const { client, device, owner } = there
    const shown = Promise.withResolvers<void>()
    const follow = async () => {
      for await (const _ of client.devices.watch()) shown.resolve()
    }
    const followed = reasonOf(follow())
    await shown.promise
    await owner.devices.revoke(device.deviceId)
    assert.deepInclude(await followed, { code: "Revoked" })
    await using later = createClient({ url: deployment().url, device })
    assert.deepInclude(await reasonOf(later.workers.list()), { _tag: "Rejected", code: "Revoked" })
  })

  it("cannot use a code twice, or reach a deployment that is away", async () => {
    await using there = await pair("read")
    const key = await createDeviceKey()
    const again = claimDevice({ url: `${deployment().url}/`, code: there.code, key })
    assert.deepInclude(await reasonOf(again), { _tag: "Rejected", code: "Conflict" })
    const away = claimDevice({ url: "http://127.0.0.1:9", code: there.code, key })
    assert.deepInclude(await reasonOf(away), { _tag: "Unreachable" })
  })
})
