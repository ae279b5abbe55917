/** The side of a browser and its push service: keys of a subscription, decryption, and the check of the sender. */
import { createDecipheriv, createECDH, hkdfSync, randomBytes, webcrypto } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import { importJWK, jwtVerify } from "jose"

const derive = (salt: Buffer, secret: Buffer, info: Buffer | string, bytes: number) =>
  Buffer.from(hkdfSync("sha256", secret, salt, info, bytes))

export const newSubscription = (endpoint: string) => {
  const ecdh = createECDH("prime256v1")
  const p256dh = ecdh.generateKeys()
  const auth = randomBytes(16)
  return {
    endpoint,
    keys: { p256dh: p256dh.toString("base64url"), auth: auth.toString("base64url") },
    /** RFC 8291, written from the text of the standard. */
    decrypt: (body: Buffer): string => {
      const salt = body.subarray(0, 16)
      const size = body.readUInt32BE(16)
      const length = body.readUInt8(20)
      const sender = body.subarray(21, 21 + length)
      const record = body.subarray(21 + length)
      if (record.length > size) throw new Error(`The record has ${record.length} bytes, and may have ${size}`)
      const info = Buffer.concat([Buffer.from("WebPush: info\0"), p256dh, sender])
      const secret = derive(auth, ecdh.computeSecret(sender), info, 32)
      const key = derive(salt, secret, "Content-Encoding: aes128gcm\0", 16)
      const nonce = derive(salt, secret, "Content-Encoding: nonce\0", 12)
      const decipher = createDecipheriv("aes-128-gcm", key, nonce)
      decipher.setAuthTag(record.subarray(-16))
      const text = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()])
      const end = text.lastIndexOf(2)
      return text.subarray(0, end).toString()
    }
  }
}

/** Checks the proof of the sender, and returns its claims and its public key. */
export const verifySender = async ({ authorization = "" }: IncomingHttpHeaders, audience: string) => {
  const [, token = "", key = ""] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(authorization) ?? []
  const raw = await webcrypto.subtle.importKey(
    "raw",
    Buffer.from(key, "base64url"),
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["verify"]
  )
  const { x = "", y = "" } = await webcrypto.subtle.exportKey("jwk", raw)
  const { payload } = await jwtVerify(token, await importJWK({ kty: "EC", crv: "P-256", x, y }, "ES256"), { audience })
  return { key, payload }
}
