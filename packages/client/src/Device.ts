/**
 * Devices: sign in with a key that stays on this machine, with or without a login provider. Web Crypto only, so the same
 * code runs in browsers and Node.
 */
import { api, type DeviceId, type DeviceScope } from "./api.ts"
import { httpCall, type HttpFetch } from "./httpCall.ts"

/** The type of Web Crypto, of the environment that compiles this. */
type CryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/** The identity with which a device signs in. A browser can keep it in IndexedDB, the key unreadable by pages. */
export interface Device {
  readonly deviceId: DeviceId
  /** ECDSA, P-256, with the usage `sign`. */
  readonly privateKey: CryptoKey
}

/** A new key. `publicKey`: the coordinates, base64url. */
export interface DeviceKey {
  readonly privateKey: CryptoKey
  readonly publicKey: { readonly x: string; readonly y: string }
}

/** The audience of assertions, and the issuer of the tokens that the deployment returns for them. */
const issuer = "https://devices.opencode-worker.local"

/** `extractable`: whether the private key can be exported, to keep it in a file. Default: false. */
export const createDeviceKey = async ({
  extractable = false
}: { readonly extractable?: boolean } = {}): Promise<DeviceKey> => {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    extractable,
    ["sign"]
  )
  const { x = "", y = "" } = await crypto.subtle.exportKey("jwk", publicKey)
  return { privateKey, publicKey: { x, y } }
}

/**
 * Makes this machine a device of the operator who created the code with `devices.add`. Call it again with the same key if the
 * response was lost. Rejects with `ClientError`: `Expired`, `NotFound`, or `Conflict` if another device has used the code.
 *
 * @example
 * const key = await createDeviceKey()
 * const { deviceId } = await claimDevice({ url, code, key })
 * await using client = createClient({ url, device: { deviceId, privateKey: key.privateKey } })
 */
export const claimDevice = ({
  code,
  key,
  url
}: {
  readonly url: string
  readonly code: string
  readonly key: Pick<DeviceKey, "publicKey">
}): Promise<{ readonly deviceId: DeviceId; readonly name: string; readonly scope: DeviceScope }> =>
  httpCall("mutation", api.devices.claim, { code, publicKey: key.publicKey }, { url })

const encode = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "")
const encodeJson = (value: unknown): string => encode(new TextEncoder().encode(JSON.stringify(value)))

const sign = async ({ deviceId, privateKey }: Device): Promise<string> => {
  const claims = { sub: deviceId, aud: issuer, iat: Math.floor(Date.now() / 1000) }
  const signed = `${encodeJson({ alg: "ES256" })}.${encodeJson(claims)}`
  const algorithm = { name: "ECDSA", hash: "SHA-256" }
  const signature = await crypto.subtle.sign(algorithm, privateKey, new TextEncoder().encode(signed))
  return `${signed}.${encode(new Uint8Array(signature))}`
}

/** A source of tokens of a device, valid for 5 minutes each. `createClient` uses it for `device`. `fetch`: default is the global one. */
export const deviceAuth =
  ({ device, ...http }: { readonly url: string; readonly device: Device; readonly fetch?: HttpFetch }) =>
  async (): Promise<string> => {
    const assertion = await sign(device)
    return (await httpCall("action", api.tokens.issue, { assertion }, http)).token
  }
