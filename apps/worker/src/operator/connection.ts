/** The operator's connection to a deployment: a remote one with a token, or the one of a data folder. */
import { Client } from "@opencode-worker/client/effect"
import { ConvexClient, type ConvexClientError } from "@opencode-worker/effect-convex"
import { Config, Effect, Layer, Option, Redacted } from "effect"
import { Flag } from "effect/cli"
import { AppError, configError, exitCodes, temporaryError } from "../AppError.ts"
import { resolveDirectory } from "../commands/shared/directory.ts"
import * as shared from "../commands/shared/flags.ts"
import { resolveUrl } from "../commands/shared/url.ts"
import { operatorLayer } from "../layers.ts"
import { EmbeddedDeployment } from "../local/EmbeddedDeployment.ts"
import { dataFolder } from "../state/DataFolder.ts"

/** Flags of every operator command. Without `--url` the deployment of the directory's data folder is used. */
export const connectionFlags = {
  url: shared.url.pipe(Flag.withFallbackConfig(Config.String("OPENCODE_WORKER_URL")), Flag.optional),
  data: shared.data,
  demo: shared.demo,
  directory: shared.directory
}

export interface ConnectionOptions {
  readonly url: Option.Option<string>
  readonly data: Option.Option<string>
  readonly demo: boolean
  readonly directory: Option.Option<string>
}

/** A deployment that does not respond within this time is reported as unreachable. */
const patience = "20 seconds"

const token = Config.option(Config.Redacted("OPENCODE_WORKER_TOKEN"))

/** The operator of a remote deployment has a token from its identity provider. */
const remote = Effect.fnUntraced(function* (url: string) {
  const jwt = yield* Effect.orDie(token)
  if (Option.isNone(jwt)) {
    return yield* configError("Set OPENCODE_WORKER_TOKEN to a JWT that the deployment's auth.config.ts accepts.")
  }
  return Layer.provide(Client.layer, ConvexClient.layer({ url, auth: Effect.succeed(Redacted.value(jwt.value)) }))
})

const local = Effect.fnUntraced(function* ({ data, demo, directory }: ConnectionOptions) {
  const folder = yield* dataFolder({
    data,
    demo,
    directory: demo ? "" : yield* resolveDirectory(directory),
    create: false
  })
  return Layer.provide(operatorLayer, EmbeddedDeployment.find(folder))
})

const refusedToken = new AppError({
  text: "The deployment refuses OPENCODE_WORKER_TOKEN: it has expired, or its issuer or audience is not one of auth.config.ts.",
  exitCode: exitCodes.NotAuthorised
})

const explainRefusal = (error: ConvexClientError) =>
  Effect.fail(error.reason._tag === "Rejected" && error.reason.code === "Unauthenticated" ? refusedToken : error)

/**
 * A deployment that refuses a token closes the connection. An action would be lost with it, but a query is repeated and
 * receives the refusal.
 */
const signedIn = (address: string) =>
  Client.use((client) => client.call(({ workers }, options) => workers.list(options))).pipe(
    Effect.catchTag("ConvexClientError", explainRefusal),
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
  const address = Option.isSome(options.url) ? yield* resolveUrl(options.url.value) : undefined
  const operator = address === undefined ? yield* local(options) : yield* remote(address)
  return yield* Effect.provide(Effect.andThen(signedIn(address ?? "The deployment"), program), operator)
})
