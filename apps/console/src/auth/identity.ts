/** The identity of this browser: a device whose key cannot be exported, kept in IndexedDB. */
import {
  claimDevice,
  createClient,
  createDeviceKey,
  type Device,
  type DeviceKey,
  type DeviceScope
} from "@opencode-worker/client"
import { openStore } from "../data/storage.ts"

export interface Identity {
  readonly deployment: string
  readonly device: Device
  readonly name: string
  readonly scope: DeviceScope
}

const identities = openStore<Identity>("identity")
/** Keys for codes that were not confirmed: the same key gets the same device. */
const keys = openStore<DeviceKey>("identity")

export const loadIdentity = async (deployment: string): Promise<Identity | undefined> => {
  const identity = await identities.get("device")
  return identity?.deployment === deployment ? identity : undefined
}

const keyFor = async (code: string): Promise<DeviceKey> => {
  const known = await keys.get(`key:${code}`)
  if (known !== undefined) return known
  const key = await createDeviceKey()
  await keys.set(`key:${code}`, key)
  return key
}

/** Makes this browser a device. A repeated attempt after a lost response has the same result. */
export const pair = async (deployment: string, code: string): Promise<Identity> => {
  const key = await keyFor(code)
  const { deviceId, name, scope } = await claimDevice({ url: deployment, code, key })
  const identity = { deployment, device: { deviceId, privateKey: key.privateKey }, name, scope }
  await identities.set("device", identity)
  await keys.remove(`key:${code}`)
  return identity
}

/** Makes this browser a device of the identity in a token of a login provider. The token is used once and not stored. */
export const enroll = async (deployment: string, token: string, name: string): Promise<Identity> => {
  await using client = createClient({ url: deployment, auth: () => Promise.resolve(token) })
  const { code } = await client.devices.add({ name, scope: "operate" })
  return pair(deployment, code)
}

/** Deletes the key, and everything that this browser has stored. */
export const forget = async (): Promise<void> => {
  for (const name of ["identity", "outbox", "drafts", "cache", "shared"] as const) await openStore(name).clear()
}
