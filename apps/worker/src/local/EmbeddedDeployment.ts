/**
 * The embedded Convex deployment of a data folder, served by this process or by another one.
 */
import { hostname } from "node:os"
import type { DeviceId } from "@opencode-worker/client"
import { deviceAuth, isClientError } from "@opencode-worker/client/http"
import { functionsDir } from "@opencode-worker/convex-backend"
import type { ConvexEmbeddedOptions, Deployment } from "@opencode-worker/convex-embedded"
import { findHolder } from "@opencode-worker/convex-embedded/holder"
import { isConvexEmbeddedError } from "@opencode-worker/convex-embedded/private-files"
import { Context, Effect, Layer, Option } from "effect"
import { AppError, exitCodes, temporaryError } from "../AppError.ts"
import { keptToken } from "../operator/keptToken.ts"
import { nodeFetch } from "../operator/nodeFetch.ts"
import type { DataFolder } from "../state/DataFolder.ts"
import { nextOperatorKey, operatorKey } from "../state/OperatorKey.ts"
import * as Port from "../state/Port.ts"
import { consolePage } from "./consolePage.ts"
import { fromEmbeddedError } from "./EmbeddedError.ts"
import { consoleAddress, type Listening, loopback } from "./Listening.ts"

type OperatorKey = Effect.Success<ReturnType<typeof operatorKey>>

const open = (folder: DataFolder, options: Partial<ConvexEmbeddedOptions> = {}) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const { ConvexEmbedded } = await import("@opencode-worker/convex-embedded")
        return ConvexEmbedded.make({ functions: functionsDir, dataDir: folder.deployment, ...options })
      },
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
  deviceId: DeviceId,
  consoleUrl: Option.Option<string> = Option.none()
) {
  const issue = deviceAuth({ url, device: { deviceId, privateKey }, fetch: nodeFetch })
  const issued = Effect.tryPromise({
    try: issue,
    catch: (error) =>
      isClientError(error) && error.reason._tag === "Rejected" && error.reason.code !== "Expired"
        ? refusedKey(file)
        : temporaryError(error instanceof Error ? error.message : String(error))
  })
  const operatorToken = yield* keptToken(issued)
  yield* operatorToken
  return EmbeddedDeployment.of({ url, operatorToken, consoleUrl })
})

const serving = Effect.fnUntraced(function* (
  deployment: Deployment,
  folder: DataFolder,
  consoleUrl?: Option.Option<string>
) {
  const key = yield* operatorKey(folder.operator)
  const deviceId = Option.isSome(key.deviceId) ? key.deviceId.value : yield* enroll(deployment, key)
  return yield* signedIn(deployment.url, folder.operator, key, deviceId, consoleUrl)
})

/** Another process serves the folder. */
const connected = Effect.fnUntraced(function* (url: string, folder: DataFolder) {
  const key = yield* operatorKey(folder.operator)
  if (Option.isNone(key.deviceId)) {
    return yield* temporaryError(`The deployment at ${url} is starting: try again.`)
  }
  return yield* signedIn(url, folder.operator, key, key.deviceId.value)
})

interface Serving extends Listening {
  /** Called once no other process can use the folder. */
  readonly onLocked?: () => void
}

/** The options of a port. It is the one for other machines, if there are others. */
const at = (
  { names, onLocked, publicUrl, remote, userTimeLimit }: Serving,
  port: number
): Partial<ConvexEmbeddedOptions> => ({
  allowedHosts: names,
  // A proxy may send its own address as `Host`.
  allowedOrigins: Option.toArray(publicUrl),
  ...(consolePage !== undefined && { assets: consolePage }),
  ...(userTimeLimit !== undefined && { userTimeLimit }),
  ...(onLocked !== undefined && { onLocked }),
  ...Option.match(remote, {
    onNone: () => ({ port }),
    onSome: ({ host, tls }) => ({ remote: { host, port, ...(Option.isSome(tls) && { tls: tls.value }) } })
  })
})

/** A browser keeps its key by the address of the page, so the port of the last start is used again if it is free. */
const openAtPort = Effect.fnUntraced(function* (folder: DataFolder, listening: Serving) {
  if (Option.isSome(listening.port)) return yield* open(folder, at(listening, listening.port.value))
  const last = yield* Port.read(folder.port)
  return yield* open(
    folder,
    at(
      listening,
      Option.getOrElse(last, () => 0)
    )
  ).pipe(
    Effect.catchIf(
      (cause) => isConvexEmbeddedError(cause) && cause.code === "PortInUse" && Option.isSome(last),
      () => open(folder, at(listening, 0))
    )
  )
})

const serve = Effect.fnUntraced(function* (folder: DataFolder, listening: Serving) {
  const deployment = yield* Effect.mapError(openAtPort(folder, listening), fromEmbeddedError)
  const { remoteUrl, url } = deployment
  yield* Port.write(folder.port, Number(new URL(remoteUrl ?? url).port))
  const consoleUrl = consoleAddress(listening, url, remoteUrl)
  return yield* serving(deployment, folder, consolePage === undefined ? Option.none() : Option.some(consoleUrl))
})

const find = Effect.fnUntraced(function* (folder: DataFolder) {
  const holder = yield* Effect.try({ try: () => findHolder(folder.deployment), catch: fromEmbeddedError })
  if (holder !== null) return yield* connected(holder.url, folder)
  const found = yield* open(folder).pipe(
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
  const deployment = yield* Effect.mapError(open(folder), fromEmbeddedError)
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
    /** A token of the local operator's device, valid for 4 minutes or more. */
    readonly operatorToken: Effect.Effect<string, AppError>
    /** The address of the web console, if this process serves it. */
    readonly consoleUrl: Option.Option<string>
  }
>()("opencode-worker/EmbeddedDeployment") {
  /** Serves the folder; fails if another process serves it. */
  static readonly serve = (folder: DataFolder, listening: Serving = loopback) =>
    Layer.effect(EmbeddedDeployment, serve(folder, listening))

  /** Connects to the process that serves the folder; serves it in this process if there is none. */
  static readonly find = (folder: DataFolder) => Layer.effect(EmbeddedDeployment, find(folder))
}
