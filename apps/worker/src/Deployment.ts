/**
 * The embedded Convex deployment of a data folder: served by this process, or found where another process serves it.
 *
 * @since 0.1.0
 */
import { functionsDir } from "@opencode-worker/convex-backend"
import { ConvexEmbedded, readLock } from "@opencode-worker/convex-embedded"
import { Context, Effect, Layer, Option } from "effect"
import { temporary } from "./AppError.ts"
import type { DataFolder } from "./DataFolder.ts"
import { explainEmbedded } from "./EmbeddedError.ts"
import { operatorKey } from "./OperatorKey.ts"

const serve = (folder: DataFolder, port: Option.Option<number>) =>
  Effect.gen(function* () {
    const operator = yield* operatorKey(folder.operator)
    const { url } = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () =>
          ConvexEmbedded.make({
            functions: functionsDir,
            dataDir: folder.deployment,
            port: Option.getOrElse(port, () => 0),
            auth: { providers: [operator.provider] }
          }),
        catch: explainEmbedded
      }),
      (embedded) => Effect.promise(() => embedded.close())
    )
    return Deployment.of({ url, operatorToken: operator.token })
  })

const find = (folder: DataFolder) =>
  Effect.gen(function* () {
    const holder = yield* Effect.try({ try: () => readLock(folder.deployment), catch: explainEmbedded })
    if (holder === null) return yield* serve(folder, Option.none())
    if (holder.url === null) {
      return yield* temporary(`Process ${holder.pid} is just starting on ${folder.root}: try again in a moment.`)
    }
    const operator = yield* operatorKey(folder.operator)
    return Deployment.of({ url: holder.url, operatorToken: operator.token })
  })

/**
 * @category services
 * @since 0.1.0
 */
export class Deployment extends Context.Service<
  Deployment,
  {
    readonly url: string
    /** A fresh token of the local operator. */
    readonly operatorToken: Effect.Effect<string>
  }
>()("opencode-worker/Deployment") {
  /** Serves the folder; fails when another process does. `port`: a free one unless told. */
  static readonly serve = (folder: DataFolder, port: Option.Option<number>) =>
    Layer.effect(Deployment, serve(folder, port))

  /** Uses the process that serves the folder, if there is one; else serves it for as long as this is needed. */
  static readonly find = (folder: DataFolder) => Layer.effect(Deployment, find(folder))
}
