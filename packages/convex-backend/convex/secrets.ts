/**
 * Secrets and codes. Uses Web Crypto only, which exists in Convex's runtime and in Node.
 */

import { MAX_SECRET } from "./limits.ts"

/** SHA-256, hexadecimal. A plain hash is enough because secrets are 32 random bytes, not passwords. */
export const hashSecret = async (secret: string): Promise<string> => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
}

/** Whether a secret has this hash. Secrets that are too long are rejected without hashing. */
export const isSecretOf = async (secret: string, secretHash: string): Promise<boolean> =>
  secret.length <= MAX_SECRET && (await hashSecret(secret)) === secretHash

/** Crockford's base 32, without I, L, O and U, so that codes are unambiguous when read aloud or typed. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const randomCode = (length: number): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => ALPHABET.charAt(byte % 32)).join("")

/** 8 characters: 40 random bits. An operator types it, and wrong ones are counted. */
export const makeCode = (): string => randomCode(8)
/** 16 characters: 80 random bits, which cannot be guessed. */
export const makeLongCode = (): string => randomCode(16)

/** The displayed form: groups of four characters, as `XXXX-XXXX`. */
export const showCode = (code: string): string => code.match(/.{1,4}/g)?.join("-") ?? code

/** The stored form: normalises case, dashes, spaces, and letters that look like digits. */
export const readCode = (typed: string): string =>
  typed.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1")
