/**
 * The device of the person at this machine, for the embedded deployment: its private key never leaves the data folder.
 */
import type { DeviceId } from "@opencode-worker/client"
import { createDeviceKey } from "@opencode-worker/client/http"
import { Effect, Option, Schema } from "effect"
import * as PrivateFile from "./PrivateFile.ts"

const isDeviceId = (value: unknown): value is DeviceId => typeof value === "string" && value !== ""
const Jwk = Schema.Struct({
  kty: Schema.String,
  crv: Schema.String,
  x: Schema.String,
  y: Schema.String,
  d: Schema.String
})

/** `deviceId` is absent until the deployment knows the key. */
const KeyFile = Schema.Struct({ deviceId: Schema.optionalKey(Schema.declare(isDeviceId)), privateKey: Jwk })
type KeyFile = typeof KeyFile.Type

const create = Effect.gen(function* () {
  const { privateKey } = yield* Effect.promise(() => createDeviceKey({ extractable: true }))
  const jwk = yield* Effect.promise(() => crypto.subtle.exportKey("jwk", privateKey))
  return yield* Effect.orDie(Schema.decodeUnknownEffect(KeyFile)({ privateKey: jwk }))
})

const withKey = Effect.fnUntraced(function* (file: string, { deviceId, privateKey }: KeyFile) {
  const { kty, crv, x, y, d } = privateKey
  const curve = { name: "ECDSA", namedCurve: "P-256" }
  const key = yield* Effect.promise(() => crypto.subtle.importKey("jwk", { kty, crv, x, y, d }, curve, false, ["sign"]))
  return {
    deviceId: Option.fromUndefinedOr(deviceId),
    privateKey: key,
    publicKey: { x, y },
    /** Stores the id that the deployment has assigned to the key. */
    save: (id: DeviceId) => PrivateFile.write(file, KeyFile, { deviceId: id, privateKey })
  }
})

/** Loads the key, and creates it at the first start. */
export const operatorKey = Effect.fnUntraced(function* (file: string) {
  const stored = yield* PrivateFile.read(file, KeyFile)
  if (Option.isSome(stored)) return yield* withKey(file, stored.value)
  const created = yield* create
  yield* PrivateFile.write(file, KeyFile, created)
  return yield* withKey(file, created)
})

/** A key that replaces the one of the file when it is saved. */
export const nextOperatorKey = (file: string) => Effect.flatMap(create, (created) => withKey(file, created))
