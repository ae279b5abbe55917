/**
 * The embedded Convex deployment of a data folder, served by this process or by another one.
 */
import { hostname } from "node:os"
import { deviceAuth, type DeviceId, isClientError } from "@opencode-worker/client"
import { functionsDir } from "@opencode-worker/convex-backend"
import { ConvexEmbedded, type Deployment, isConvexEmbeddedError } from "@opencode-worker/convex-embedded"
import { Context, Effect, Layer, Option } from "effect"
import { AppError, exitCodes, temporaryError } from "../AppError.ts"
import type { DataFolder } from "../state/DataFolder.ts"
import { nextOperatorKey, operatorKey } from "../state/OperatorKey.ts"
import { fromEmbeddedError } from "./EmbeddedError.ts"

type OperatorKey = Effect.Success<ReturnType<typeof operatorKey>>

const start = (folder: DataFolder, port: Option.Option<number>) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () =>
        ConvexEmbedded.make({
          functions: functionsDir,
          dataDir: folder.deployment,
          port: Option.getOrElse(port, () => 0)
        }),
      catch: (cause) => (isConvexEmbeddedError(cause) ? cause : fromEmbeddedError(cause))
    }),
    (embedded) => Effect.promise(() => embedded.close())
  )

const isDeviceId = (value: unknown): value is DeviceId => typeof value === "string"

/** Makes the key a device of the deployment. Only the process that serves it can do this. */
const enroll = Effect.fnUntraced(function* (deployment: Deployment, { publicKey, save }: OperatorKey) {
  const name = hostname()
  const deviceId = yield* Effect.promise(() => deployment.run("devices:enroll", { name, publicKey }))
  if (!isDeviceId(deviceId)) return yield* Effect.die("devices:enroll returned no id")
  yield* save(deviceId)
  return deviceId
})

const refusedKey = (file: string) =>
  new AppError({
    text: `The operator's key of this machine, ${file}, was revoked: opencode-worker rotate creates another one.`,
    exitCode: exitCodes.NotAuthorised
  })

/** The service, once the deployment has accepted the key. */
const signedIn = Effect.fnUntraced(function* (
  url: string,
  file: string,
  { privateKey }: OperatorKey,
  deviceId: DeviceId
) {
  const issue = deviceAuth({ url, device: { deviceId, privateKey } })
  const operatorToken = Effect.tryPromise({
    try: issue,
    catch: (error) =>
      isClientError(error) && error.reason._tag === "Rejected" && error.reason.code !== "Expired"
        ? refusedKey(file)
        : temporaryError(error instanceof Error ? error.message : String(error))
  })
  yield* operatorToken
  return EmbeddedDeployment.of({ url, operatorToken })
})

const serving = Effect.fnUntraced(function* (deployment: Deployment, folder: DataFolder) {
  const key = yield* operatorKey(folder.operator)
  const deviceId = Option.isSome(key.deviceId) ? key.deviceId.value : yield* enroll(deployment, key)
  return yield* signedIn(deployment.url, folder.operator, key, deviceId)
})

/** Another process serves the folder. */
const connected = Effect.fnUntraced(function* (url: string, folder: DataFolder) {
  const key = yield* operatorKey(folder.operator)
  if (Option.isNone(key.deviceId)) {
    return yield* temporaryError(`The deployment at ${url} is starting: try again.`)
  }
  return yield* signedIn(url, folder.operator, key, key.deviceId.value)
})

const serve = Effect.fnUntraced(function* (folder: DataFolder, port: Option.Option<number>) {
  return yield* serving(yield* Effect.mapError(start(folder, port), fromEmbeddedError), folder)
})

const find = Effect.fnUntraced(function* (folder: DataFolder) {
  const found = yield* start(folder, Option.none()).pipe(
    Effect.catch((cause) =>
      isConvexEmbeddedError(cause) && cause.holder !== null
        ? Effect.succeed(cause.holder.url)
        : Effect.fail(fromEmbeddedError(cause))
    )
  )
  return yield* typeof found === "string" ? connected(found, folder) : serving(found, folder)
})

/**
 * Replaces the operator's key of a folder that no process serves. The old key is revoked first: after a crash this can run
 * again, and no start accepts the old one.
 */
export const rotateOperatorKey = Effect.fnUntraced(function* (folder: DataFolder) {
  const old = yield* operatorKey(folder.operator)
  const deployment = yield* Effect.mapError(start(folder, Option.none()), fromEmbeddedError)
  if (Option.isSome(old.deviceId)) {
    const deviceId = old.deviceId.value
    yield* Effect.promise(() => deployment.run("devices:expel", { deviceId }))
  }
  yield* enroll(deployment, yield* nextOperatorKey(folder.operator))
}, Effect.scoped)

export class EmbeddedDeployment extends Context.Service<
  EmbeddedDeployment,
  {
    readonly url: string
    /** A fresh token of the local operator's device, valid for 5 minutes. */
    readonly operatorToken: Effect.Effect<string, AppError>
  }
>()("opencode-worker/EmbeddedDeployment") {
  /** Serves the folder; fails if another process serves it. `port`: any free one by default. */
  static readonly serve = (folder: DataFolder, port: Option.Option<number>) =>
    Layer.effect(EmbeddedDeployment, serve(folder, port))

  /** Connects to the process that serves the folder; serves it in this process if there is none. */
  static readonly find = (folder: DataFolder) => Layer.effect(EmbeddedDeployment, find(folder))
}
