/** The admin key: permits calls of all functions, internal ones included, under any identity. */
import { createHash, timingSafeEqual } from "node:crypto"
import type { Caller } from "../values/calls.ts"
import type { Identity } from "../values/identity.ts"
import { parseJson } from "../values/json.ts"

/** Compares hashes, so that the duration reveals nothing about the key. */
export const isAdminKey = (given: string, adminKey: string | null): boolean =>
  adminKey !== null && timingSafeEqual(hash(given), hash(adminKey))

const hash = (text: string) => createHash("sha256").update(text).digest()

/** `actingAs`: the attributes of the user as whom the admin acts, if any. Fails if the key or the attributes are wrong. */
export const admin = (given: string, adminKey: string | null, actingAs?: unknown): Caller => {
  if (!isAdminKey(given, adminKey)) {
    throw new Error("The admin key is not that of the deployment (the option `adminKey`).")
  }
  return { caller: "function", identity: actingAs === undefined ? null : identityOf(actingAs) }
}

/** `credentials`: the key; clients add a colon and, in base 64, the attributes of a user to act as. */
export const adminOfHeader = (credentials: string, adminKey: string | null): Caller => {
  const [, key, encoded] = /^(.+):([\w+/=-]+)$/.exec(credentials) ?? []
  if (key === undefined || encoded === undefined || isAdminKey(credentials, adminKey))
    return admin(credentials, adminKey)
  return admin(key, adminKey, parseJson(Buffer.from(encoded, "base64").toString("utf8")))
}

const identityOf = (attributes: unknown): Identity => {
  const claims = Object(attributes) as Partial<Identity>
  const { issuer, subject, tokenIdentifier } = claims
  if (typeof issuer !== "string" || typeof subject !== "string") {
    throw new Error("The identity to act as needs an issuer and a subject.")
  }
  return { ...claims, tokenIdentifier: tokenIdentifier ?? `${issuer}|${subject}` }
}
