/**
 * Web Push with Web Crypto: encryption of a message for one subscription (RFC 8291, `aes128gcm`) and the proof of the
 * sender (VAPID, RFC 8292). Older versions of Convex's own runtime lack ECDH and HKDF, so `encryptPush` runs in
 * Node actions.
 */
import { appError } from "./errors.ts"
import { PUSH_TOKEN_LIFETIME } from "./limits.ts"

/** The keys of a subscription, base64url: a P-256 point and 16 bytes. */
export interface PushKeys {
  readonly p256dh: string
  readonly auth: string
}

/** The deployment's key. `privateKey`: PKCS #8, base64url. `publicKey`: a P-256 point, base64url. */
export interface VapidKey {
  readonly privateKey: string
  readonly publicKey: string
}

type CryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>
interface KeyPair {
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
}
type Bytes = Uint8Array<ArrayBuffer>

export const toBase64Url = (bytes: ArrayBuffer | Uint8Array): string =>
  btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "")

export const fromBase64Url = (text: string): Bytes =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0))

const utf8 = (text: string): Bytes => new TextEncoder().encode(text)
const join = (...pieces: ReadonlyArray<Uint8Array>): Bytes => {
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}

const ecdh = { name: "ECDH", namedCurve: "P-256" }
const ecdsa = { name: "ECDSA", namedCurve: "P-256" }

/** The bytes that a subscription names by `field`, if they have this length. */
const bytesOf = (field: string, text: string, length: number): Bytes => {
  const bytes =
    /^[\w-]+=*$/.test(text) && text.length <= 2 * length ? fromBase64Url(text.replaceAll("=", "")) : new Uint8Array()
  if (bytes.length !== length) throw appError("InvalidArgument", `${field} is not ${length} bytes in base64url`)
  return bytes
}

/** Rejects keys of another form. Whether the point is on the curve shows when a message is encrypted. */
export const checkPushKeys = ({ auth, p256dh }: PushKeys): void => {
  bytesOf("p256dh", p256dh, 65)
  bytesOf("auth", auth, 16)
}

export const newVapidKey = async (): Promise<VapidKey> => {
  const pair = await crypto.subtle.generateKey(ecdsa, true, ["sign", "verify"])
  return {
    privateKey: toBase64Url(await crypto.subtle.exportKey("pkcs8", pair.privateKey)),
    publicKey: toBase64Url(await crypto.subtle.exportKey("raw", pair.publicKey))
  }
}

const derive = async (salt: Bytes, secret: Bytes, info: Bytes, length: number): Promise<Bytes> => {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"])
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, length * 8))
}

/** One record: the header, and at most 3,993 bytes of text. */
const recordSize = 4_096

/** The body of a push message. `sender` and `salt`: new ones for each message, except in tests of the standard. */
export const encryptPush = async (
  text: string,
  { auth, p256dh }: PushKeys,
  sender?: KeyPair,
  salt: Bytes = crypto.getRandomValues(new Uint8Array(16))
): Promise<Bytes> => {
  const receiver = fromBase64Url(p256dh)
  const { privateKey, publicKey } = sender ?? (await crypto.subtle.generateKey(ecdh, true, ["deriveBits"]))
  const point = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey))
  const shared = await crypto.subtle.deriveBits(
    { name: "ECDH", public: await crypto.subtle.importKey("raw", receiver, ecdh, false, []) },
    privateKey,
    256
  )
  const info = join(utf8("WebPush: info\0"), receiver, point)
  const secret = await derive(fromBase64Url(auth), new Uint8Array(shared), info, 32)
  const content = await derive(salt, secret, utf8("Content-Encoding: aes128gcm\0"), 16)
  const iv = await derive(salt, secret, utf8("Content-Encoding: nonce\0"), 12)
  const key = await crypto.subtle.importKey("raw", content, "AES-GCM", false, ["encrypt"])
  // 2: the last record, without padding.
  const encrypted = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, join(utf8(text), Uint8Array.of(2)))
  const size = new Uint8Array(4)
  new DataView(size.buffer).setUint32(0, recordSize)
  return join(salt, size, Uint8Array.of(point.length), point, new Uint8Array(encrypted))
}

/**
 * Whom a push service may write to about this sender. Apple refuses every message whose subject is not the address of a
 * mailbox or an https URL.
 */
export const checkSubject = (subject: string): string => {
  const isMailbox = /^mailto:[^\s@<>]+@[^\s@<>.]+(\.[^\s@<>.]+)+$/.test(subject)
  const isPage = URL.canParse(subject) && subject.startsWith("https://") && new URL(subject).hostname.includes(".")
  if (isMailbox || isPage) return subject
  throw appError(
    "InvalidArgument",
    "OPENCODE_WORKER_PUSH_SUBJECT must be mailto: and the address of a mailbox, or an https:// URL"
  )
}

/** The `authorization` header for a message to `endpoint`, valid for 12 hours from `now` (milliseconds). */
export const vapid = async (
  endpoint: string,
  { privateKey, publicKey }: VapidKey,
  subject: string,
  now: number
): Promise<string> => {
  const encode = (value: unknown) => toBase64Url(utf8(JSON.stringify(value)))
  const claims = {
    aud: new URL(endpoint).origin,
    exp: Math.floor((now + PUSH_TOKEN_LIFETIME) / 1_000),
    sub: checkSubject(subject)
  }
  const key = await crypto.subtle.importKey("pkcs8", fromBase64Url(privateKey), ecdsa, false, ["sign"])
  const signed = `${encode({ typ: "JWT", alg: "ES256" })}.${encode(claims)}`
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, utf8(signed))
  return `vapid t=${signed}.${toBase64Url(signature)}, k=${publicKey}`
}
