/**
 * The path of the functions folder, and what its functions refuse with. The functions themselves are in
 * `functions/*`, their references in `api`, the tables in `tables`.
 */
import { fileURLToPath } from "node:url"

export type { ErrorData, ErrorCode } from "../convex/errors.ts"

/** Absolute path of the functions folder, for whatever deploys or serves a Convex functions folder. */
export const functionsDir: string = fileURLToPath(new URL("../convex", import.meta.url))
