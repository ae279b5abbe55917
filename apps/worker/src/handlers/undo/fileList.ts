/** The files in the result of an undo or redo. Pure. */
import { MAX_CHANGED_FILES, MAX_RESULT } from "@opencode-worker/convex-backend/limits"

interface Listed {
  readonly file: string
  /** A person changed it, so it is not overwritten without a word of theirs. */
  readonly changed: boolean
}

/** For the rest of the result. */
const reserve = 1_000

/** The first files that fit into a result, changed ones first, and whether there are more. */
export const fitting = <A extends Listed>(files: ReadonlyArray<A>) => {
  const ordered = [...files.filter(({ changed }) => changed), ...files.filter(({ changed }) => !changed)]
  let length = 0
  const rest = ordered.findIndex((file, index) => {
    length += JSON.stringify(file).length + 1
    return index === MAX_CHANGED_FILES || length > MAX_RESULT - reserve
  })
  return rest === -1 ? { files: ordered } : { files: ordered.slice(0, rest), truncated: true }
}

/** At most a few names, for a message. */
export const named = (files: ReadonlyArray<string>) =>
  `${files.slice(0, 5).join(", ")}${files.length > 5 ? ` and ${files.length - 5} more` : ""}`
