/** Names of a pairing, as a deployment accepts them. */
import { MAX_PAIRING_NAME, printable } from "@opencode-worker/convex-backend/limits"

const mark = "…"
const bytesOf = (text: string): number => Buffer.byteLength(text)

/** As many of the characters, from the first on, as fit into `max` bytes. */
const fitting = (characters: ReadonlyArray<string>, max: number): ReadonlyArray<string> => {
  let bytes = 0
  const end = characters.findIndex((character) => (bytes += bytesOf(character)) > max)
  return end === -1 ? characters : characters.slice(0, end)
}

/**
 * `name` in at most 100 bytes of UTF-8: characters that deployments refuse become spaces, and … stands for what is cut. `keep`:
 * the end that stays. A directory is recognised by its last folders.
 */
export const pairingName = (name: string, keep: "head" | "tail"): string => {
  const clean = printable(name.toWellFormed())
  if (bytesOf(clean) <= MAX_PAIRING_NAME) return clean
  const room = MAX_PAIRING_NAME - bytesOf(mark)
  const characters = Array.from(clean)
  return keep === "head"
    ? `${fitting(characters, room).join("")}${mark}`
    : `${mark}${fitting(characters.toReversed(), room).toReversed().join("")}`
}
