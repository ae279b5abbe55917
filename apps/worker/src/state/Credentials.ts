/** The file that keeps a worker's credentials between two starts. */
import type { Id } from "@opencode-worker/convex-backend/api"
import type { ConvexSyncError, Pairing } from "@opencode-worker/convex-sync"
import { Effect, Option, Redacted, Schema } from "effect"
import { addSecret } from "../terminal/output/redact.ts"
import * as PrivateFile from "./PrivateFile.ts"

const isWorkerId = (value: unknown): value is Id<"workers"> => typeof value === "string" && value !== ""
const Secret = Schema.RedactedFromValue(Schema.String)

/** `previous` is set only during a rotation. */
const Credentials = Schema.Struct({
  workerId: Schema.declare(isWorkerId),
  secret: Secret,
  previous: Schema.optionalKey(Secret)
})

const addSecrets = ({ previous, secret }: Pairing.StoredCredentials) => {
  addSecret(Redacted.value(secret))
  if (previous !== undefined) addSecret(Redacted.value(previous))
}

/** None if there is no worker yet. */
export const read = (file: string) =>
  Effect.tap(PrivateFile.read(file, Credentials), (known) => Effect.sync(() => Option.map(known, addSecrets)))

export const write = (file: string, credentials: Pairing.StoredCredentials) =>
  Effect.andThen(
    Effect.sync(() => addSecrets(credentials)),
    PrivateFile.write(file, Credentials, credentials)
  )

/** Refusals that a retry cannot change. The worker must be paired again. */
const final: ReadonlySet<string> = new Set(["NotFound", "Revoked", "WrongSecret"])

export const isFinal = (reason: ConvexSyncError["reason"]) => reason._tag === "Rejected" && final.has(reason.code)

/** The message of a final refusal, with the remedy. */
export const pairAgain = (message: string, file: string) =>
  `${message.replace(/[.]$/, "")}. Remove ${file} and start again.`
