/**
 * The embedded Convex deployment of a data folder, served by this process or by another one.
 */
import { functionsDir } from "@opencode-worker/convex-backend"
import { ConvexEmbedded, isConvexEmbeddedError } from "@opencode-worker/convex-embedded"
import { Context, Effect, Layer, Option } from "effect"
import type { DataFolder } from "../state/DataFolder.ts"
import { fromEmbeddedError } from "./EmbeddedError.ts"
import { operatorKey } from "../state/OperatorKey.ts"

type Operator = Effect.Success<ReturnType<typeof operatorKey>>

const start = (folder: DataFolder, operator: Operator, port: Option.Option<number>) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () =>
        ConvexEmbedded.make({
          functions: functionsDir,
          dataDir: folder.deployment,
          port: Option.getOrElse(port, () => 0),
          auth: { providers: [operator.provider] }
        }),
      catch: (cause) => (isConvexEmbeddedError(cause) ? cause : fromEmbeddedError(cause))
    }),
    (embedded) => Effect.promise(() => embedded.close())
  ).pipe(Effect.map(({ url }) => url))

const serve = Effect.fnUntraced(function* (folder: DataFolder, port: Option.Option<number>) {
  const operator = yield* operatorKey(folder.operator)
  const url = yield* start(folder, operator, port).pipe(Effect.mapError(fromEmbeddedError))
  return EmbeddedDeployment.of({ url, operatorToken: operator.token })
})

const find = Effect.fnUntraced(function* (folder: DataFolder) {
  const operator = yield* operatorKey(folder.operator)
  const url = yield* start(folder, operator, Option.none()).pipe(
    Effect.catch((cause) =>
      isConvexEmbeddedError(cause) && cause.holder !== null
        ? Effect.succeed(cause.holder.url)
        : Effect.fail(fromEmbeddedError(cause))
    )
  )
  return EmbeddedDeployment.of({ url, operatorToken: operator.token })
})

export class EmbeddedDeployment extends Context.Service<
  EmbeddedDeployment,
  {
    readonly url: string
    /** A fresh token of the local operator. */
    readonly operatorToken: Effect.Effect<string>
  }
>()("opencode-worker/EmbeddedDeployment") {
  /** Serves the folder; fails if another process serves it. `port`: any free one by default. */
  static readonly serve = (folder: DataFolder, port: Option.Option<number>) =>
    Layer.effect(EmbeddedDeployment, serve(folder, port))

  /** Connects to the process that serves the folder; serves it in this process if there is none. */
  static readonly find = (folder: DataFolder) => Layer.effect(EmbeddedDeployment, find(folder))
}
