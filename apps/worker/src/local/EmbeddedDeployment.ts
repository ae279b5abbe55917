/**
 * The embedded Convex deployment of a data folder: served by this process, or found where another process serves it.
 */
import { functionsDir } from "@opencode-worker/convex-backend"
import { ConvexEmbedded, readLock } from "@opencode-worker/convex-embedded"
import { Context, Effect, Layer, Option } from "effect"
import { temporaryError } from "../AppError.ts"
import type { DataFolder } from "../state/DataFolder.ts"
import { fromEmbeddedError } from "./EmbeddedError.ts"
import { operatorKey } from "../state/OperatorKey.ts"

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
        catch: fromEmbeddedError
      }),
      (embedded) => Effect.promise(() => embedded.close())
    )
    return EmbeddedDeployment.of({ url, operatorToken: operator.token })
  })

const find = (folder: DataFolder) =>
  Effect.gen(function* () {
    const holder = yield* Effect.try({ try: () => readLock(folder.deployment), catch: fromEmbeddedError })
    if (holder === null) return yield* serve(folder, Option.none())
    if (holder.url === null) {
      return yield* temporaryError(`Process ${holder.pid} is just starting on ${folder.root}: try again in a moment.`)
    }
    const operator = yield* operatorKey(folder.operator)
    return EmbeddedDeployment.of({ url: holder.url, operatorToken: operator.token })
  })

export class EmbeddedDeployment extends Context.Service<
  EmbeddedDeployment,
  {
    readonly url: string
    /** A fresh token of the local operator. */
    readonly operatorToken: Effect.Effect<string>
  }
>()("opencode-worker/EmbeddedDeployment") {
  /** Serves the folder; fails when another process does. `port`: a free one unless told. */
  static readonly serve = (folder: DataFolder, port: Option.Option<number>) =>
    Layer.effect(EmbeddedDeployment, serve(folder, port))

  /** Uses the process that serves the folder, if there is one; else serves it for as long as this is needed. */
  static readonly find = (folder: DataFolder) => Layer.effect(EmbeddedDeployment, find(folder))
}
