/**
 * The operator's connection to a deployment.
 *
 * | flags | deployment | signs in |
 * | --- | --- | --- |
 * | `--context` | of that context | as its device, or by its command for tokens |
 * | `--url`, OPENCODE_WORKER_URL | that one | with OPENCODE_WORKER_TOKEN, as the device of the context with this address, or as that of the data folder that is served there |
 * | `--data`, `--demo`, `--directory` | of the data folder | as the device of `dev` |
 * | none | of the current directory's data folder, or else of the current context | as above |
 */
import { Client } from "@opencode-worker/client/effect"
import { deviceAuth, isClientError } from "@opencode-worker/client/http"
import type { ConvexClientError } from "@opencode-worker/effect-convex"
import { Config, Effect, Layer, Option, Redacted } from "effect"
import { Flag } from "effect/cli"
import { type AppError, configError, notAuthorised, temporaryError, usageError } from "../AppError.ts"
import { resolveDirectory } from "../commands/shared/directory.ts"
import * as shared from "../commands/shared/flags.ts"
import { isLocal, resolveUrl } from "../commands/shared/url.ts"
import * as Contexts from "../state/Contexts.ts"
import { existingDataFolder, type FolderOptions, hasDeployment, servedFolder } from "../state/DataFolder.ts"
import { operatorKey } from "../state/OperatorKey.ts"
import { keptToken } from "./keptToken.ts"
import { lazyConnection } from "./lazyConnection.ts"
import { nodeFetch } from "./nodeFetch.ts"

/** Flags of every operator command. Without `--url` the deployment of the directory's data folder is used. */
export const connectionFlags = {
  url: Flag.optional(shared.url),
  context: Flag.String("context").pipe(
    Flag.withDescription("The deployment that you signed in to under this name (opencode-worker context ls)"),
    Flag.optional
  ),
  data: shared.data,
  demo: shared.demo,
  directory: shared.directory
}

export interface ConnectionOptions {
  readonly url: Option.Option<string>
  readonly context: Option.Option<string>
  readonly data: Option.Option<string>
  readonly demo: boolean
  readonly directory: Option.Option<string>
}

/** A deployment that does not respond within this time is reported as unreachable. */
const patience = "20 seconds"

const refusedToken = notAuthorised(
  "The deployment refuses OPENCODE_WORKER_TOKEN: it has expired, or its issuer or audience is not one of auth.config.ts."
)

/** The deployment has issued the token, and does not accept it. */
const refusedDevices = notAuthorised(
  "The deployment refuses the tokens of devices: add the provider of devices to its auth.config.ts, and deploy it again."
)

const refusedPrinted = notAuthorised(
  "The deployment refuses the token that the command of this context prints: it has expired, or its issuer or audience is not one of auth.config.ts."
)

const givenToken = Config.option(Config.Redacted("OPENCODE_WORKER_TOKEN"))

/** `refused`: the error if the deployment does not accept the token. */
const connection = (url: string, auth: Effect.Effect<string, unknown>, refused: AppError) => ({
  address: url,
  refused,
  operator: Layer.provide(Client.layer, lazyConnection({ url, auth }))
})

const signInAgain = ({ name, url }: Contexts.Context) =>
  notAuthorised(
    `This machine is no longer a device of ${url}: sign in again with opencode-worker login (context ${name}).`
  )

/** The device of a context. */
const deviceOf = Effect.fnUntraced(function* (context: Contexts.Context) {
  const { deviceId, privateKey } = yield* operatorKey(context.key)
  if (Option.isNone(deviceId)) return yield* signInAgain(context)
  return { deviceId: deviceId.value, privateKey }
})

const asDevice = Effect.fnUntraced(function* (context: Contexts.Context) {
  const issue = deviceAuth({ url: context.url, device: yield* deviceOf(context), fetch: nodeFetch })
  const issued = Effect.tryPromise({
    try: issue,
    catch: (error) =>
      // Expired: the clock of this machine is wrong.
      isClientError(error) && error.reason._tag === "Rejected" && error.reason.code !== "Expired"
        ? signInAgain(context)
        : temporaryError(error instanceof Error ? error.message : String(error))
  })
  // Valid for 5 minutes.
  const token = yield* keptToken(issued)
  // A token source that fails is retried without end, so the first token is requested here.
  yield* token
  return connection(context.url, token, refusedDevices)
})

/** By the device of the context, or by the tokens of its command. */
const asContext = Effect.fnUntraced(function* (context: Contexts.Context) {
  if (context.tokenCommand === undefined) return yield* asDevice(context)
  const { printedToken } = yield* Effect.promise(() => import("./tokenCommand.ts"))
  const token = yield* keptToken(printedToken(context.tokenCommand))
  yield* token
  return connection(context.url, token, refusedPrinted)
})

/** As the device of a data folder. */
const local = Effect.fnUntraced(function* (options: FolderOptions) {
  const folder = yield* existingDataFolder(options)
  const [{ EmbeddedDeployment }, { operatorLayer }] = yield* Effect.promise(() =>
    Promise.all([import("../local/EmbeddedDeployment.ts"), import("../local/operatorLayer.ts")])
  )
  return {
    address: "The deployment",
    refused: refusedDevices,
    operator: Layer.provide(operatorLayer, EmbeddedDeployment.find(folder))
  }
})

const byUrl = Effect.fnUntraced(function* (url: string) {
  const jwt = yield* Effect.orDie(givenToken)
  if (Option.isSome(jwt)) return connection(url, Effect.succeed(Redacted.value(jwt.value)), refusedToken)
  const context = (yield* Contexts.list).find((each) => each.url === url)
  if (context !== undefined) return yield* asContext(context)
  const folder = isLocal(url) ? yield* servedFolder(url) : Option.none()
  if (Option.isSome(folder)) return yield* local({ data: folder, demo: false, directory: "" })
  return yield* configError(
    `You are not signed in to ${url}: use opencode-worker login, or set OPENCODE_WORKER_TOKEN to a JWT that its auth.config.ts accepts.`
  )
})

const byName = Effect.fnUntraced(function* (name: string) {
  const context = yield* Contexts.read(name)
  if (Option.isSome(context)) return yield* asContext(context.value)
  return yield* usageError(`There is no context ${name}: opencode-worker context ls lists yours.`)
})

const folderOptions = Effect.fnUntraced(function* ({ data, demo, directory }: ConnectionOptions) {
  return { data, demo, directory: demo ? "" : yield* resolveDirectory(directory) }
})

const connect = Effect.fnUntraced(function* (options: ConnectionOptions) {
  // Before the address, which may come from the environment.
  if (Option.isSome(options.context)) return yield* byName(options.context.value)
  if (Option.isSome(options.url)) return yield* byUrl(yield* resolveUrl(options.url.value))
  const isFolderNamed = options.demo || Option.isSome(options.data) || Option.isSome(options.directory)
  const current = yield* Contexts.current
  const isElsewhere = !isFolderNamed && Option.isSome(current) && !(yield* hasDeployment(yield* folderOptions(options)))
  return yield* isElsewhere ? asContext(current.value) : local(yield* folderOptions(options))
})

const isUnauthenticated = ({ reason }: ConvexClientError) =>
  reason._tag === "Rejected" && reason.code === "Unauthenticated"

/**
 * A deployment that refuses a token closes the connection. An action would be lost with it, but a query is repeated and
 * receives the refusal.
 */
const signedIn = ({ address, refused }: { readonly address: string; readonly refused: AppError }) =>
  Client.use((client) => client.call(({ workers }, options) => workers.list(options))).pipe(
    Effect.mapError((error) => (isUnauthenticated(error) ? refused : error)),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => temporaryError(`${address} does not respond: check the address and the network, and try again.`)
    })
  )

/** Runs a program as the operator of the deployment that the options name. */
export const asOperator = Effect.fnUntraced(function* <A, E, R>(
  options: ConnectionOptions,
  program: Effect.Effect<A, E, R | Client>
) {
  const connected = yield* connect(options)
  return yield* Effect.provide(Effect.andThen(signedIn(connected), program), connected.operator)
})
