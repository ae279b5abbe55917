/**
 * ES256 JSON Web Tokens with Web Crypto: assertions that devices sign, and tokens that the deployment issues for them.
 *
 * Generating and signing need randomness, which Convex has in actions only.
 */
import { appError } from "./errors.ts"
import { DEVICE_TOKEN_LIFETIME, MAX_ASSERTION } from "./limits.ts"

/**
 * The issuer of the tokens. It is the same in every deployment, so that an owner keeps devices when the address changes; each
 * deployment accepts its own key only.
 */
export const DEVICE_ISSUER = "https://devices.opencode-worker.local"
/** The audience of the tokens. */
export const DEVICE_AUDIENCE = "opencode-worker"
/** The path of the route with the deployment's public key. */
export const JWKS_PATH = "/.well-known/opencode-worker/jwks.json"
const KEY_ID = "1"

/** The coordinates of a P-256 public key, base64url. */
export interface PublicKey {
  readonly x: string
  readonly y: string
}

const curve = { name: "ECDSA", namedCurve: "P-256" }
const ecdsa = { name: "ECDSA", hash: "SHA-256" }

const toBase64 = (bytes: ArrayBuffer | Uint8Array): string =>
  btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""))
const toBase64Url = (bytes: ArrayBuffer | Uint8Array): string =>
  toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
const fromBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0))
const encode = (value: unknown): string => toBase64Url(new TextEncoder().encode(JSON.stringify(value)))

export const newIssuerKey = async (): Promise<{ readonly privateKey: string; readonly publicKey: PublicKey }> => {
  const pair = await crypto.subtle.generateKey(curve, true, ["sign", "verify"])
  const { x = "", y = "" } = await crypto.subtle.exportKey("jwk", pair.publicKey)
  return { privateKey: toBase64(await crypto.subtle.exportKey("pkcs8", pair.privateKey)), publicKey: { x, y } }
}

/** The key set that verifies the tokens. */
export const jwksOf = ({ x, y }: PublicKey) => ({
  keys: [{ kty: "EC", crv: "P-256", x, y, kid: KEY_ID, alg: "ES256", use: "sig" }]
})

/** A token of a device that is valid for 5 minutes from `now` (milliseconds). */
export const issueToken = async (privateKey: string, deviceId: string, now: number): Promise<string> => {
  const key = await crypto.subtle.importKey("pkcs8", fromBase64(privateKey), curve, false, ["sign"])
  const iat = Math.floor(now / 1000)
  const payload = {
    iss: DEVICE_ISSUER,
    sub: deviceId,
    aud: DEVICE_AUDIENCE,
    iat,
    exp: iat + DEVICE_TOKEN_LIFETIME / 1000
  }
  const signed = `${encode({ alg: "ES256", kid: KEY_ID, typ: "JWT" })}.${encode(payload)}`
  return `${signed}.${toBase64Url(await crypto.subtle.sign(ecdsa, key, new TextEncoder().encode(signed)))}`
}

export interface Assertion {
  readonly deviceId: string
  /** Milliseconds. */
  readonly issuedAt: number
  /** Whether this key has signed it. */
  readonly isSignedBy: (key: PublicKey) => Promise<boolean>
}

const malformed = () => appError("InvalidArgument", "assertion is not a JSON Web Token of a device")

const claimsOf = (encoded: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(fromBase64(encoded)))
    if (typeof value === "object" && value !== null) return { ...value }
  } catch {
    // The text is not base64 or not JSON.
  }
  throw malformed()
}

/** Reads an assertion, which nothing has verified yet: `{ alg: "ES256" }.{ sub: deviceId, aud: DEVICE_ISSUER, iat }`. */
export const readAssertion = (assertion: string): Assertion => {
  const [header = "", payload = "", signature = "", ...more] = assertion.split(".")
  if (assertion.length > MAX_ASSERTION || more.length > 0) throw malformed()
  const { alg } = claimsOf(header)
  const { aud, iat, sub } = claimsOf(payload)
  if (alg !== "ES256" || aud !== DEVICE_ISSUER || typeof sub !== "string" || typeof iat !== "number") throw malformed()
  return {
    deviceId: sub,
    issuedAt: iat * 1000,
    isSignedBy: async ({ x, y }) => {
      try {
        const jwk = { kty: "EC", crv: "P-256", x, y }
        const key = await crypto.subtle.importKey("jwk", jwk, curve, false, ["verify"])
        const signed = new TextEncoder().encode(`${header}.${payload}`)
        return await crypto.subtle.verify(ecdsa, key, fromBase64(signature), signed)
      } catch {
        // The key is not a point of the curve, or the signature is not base64.
        return false
      }
    }
  }
}
