/**
 * Secrets and codes, by Web Crypto only: it exists in Convex's own runtime as in Node.
 *
 * @since 0.1.0
 */

import { MAX_SECRET } from "./limits.ts"

/**
 * SHA-256, hexadecimal. A plain hash is enough because secrets are 32 random bytes, not passwords.
 *
 * @category secrets
 * @since 0.1.0
 */
export const hashSecret = async (secret: string): Promise<string> => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
}

/** Whether a secret of any length has this hash. A secret that is too long is refused before it costs a hash. */
export const isSecretOf = async (secret: string, secretHash: string): Promise<boolean> =>
  secret.length <= MAX_SECRET && (await hashSecret(secret)) === secretHash

/** Crockford's base 32: no I, L, O, U, so that what is read aloud or typed can be meant only one way. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/** 8 characters: 40 random bits. */
export const makeCode = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => ALPHABET.charAt(byte % 32)).join("")

/** As it is shown: `XXXX-XXXX`. */
export const showCode = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`

/** As it is stored: forgives case, dashes, spaces, and the letters that look like digits. */
export const readCode = (typed: string): string =>
  typed.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1")
