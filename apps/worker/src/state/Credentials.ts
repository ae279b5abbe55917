/** The file that keeps a worker's credentials between two starts. */
import type { Id } from "@opencode-worker/convex-backend/api"
import type { ConvexSyncError, Pairing } from "@opencode-worker/convex-sync"
import { Schema } from "effect"
import * as PrivateFile from "./PrivateFile.ts"

const isWorkerId = (value: unknown): value is Id<"workers"> => typeof value === "string" && value !== ""
const Secret = Schema.RedactedFromValue(Schema.String)

/** `previous` is set only during a rotation. */
const Credentials = Schema.Struct({
  workerId: Schema.declare(isWorkerId),
  secret: Secret,
  previous: Schema.optionalKey(Secret)
})

/** None if there is no worker yet. */
export const read = (file: string) => PrivateFile.read(file, Credentials)

export const write = (file: string, credentials: Pairing.StoredCredentials) =>
  PrivateFile.write(file, Credentials, credentials)

/** Refusals that a retry cannot change. The worker must be paired again. */
const final: ReadonlySet<string> = new Set(["NotFound", "Revoked", "WrongSecret"])

export const isFinal = (reason: ConvexSyncError["reason"]) => reason._tag === "Rejected" && final.has(reason.code)

/** The message of a final refusal, with the remedy. */
export const pairAgain = (message: string, file: string) =>
  `${message.replace(/[.]$/, "")}. Remove ${file} and start again.`
