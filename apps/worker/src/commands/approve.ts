/**
 * `opencode-worker approve <code>`: makes the worker that shows the code yours.
 *
 * @since 0.1.0
 */
import { ConvexClient } from "@opencode-worker/convex-sync"
import { Config, Effect, Layer, Option, Redacted } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { configuration, explain } from "../AppError.ts"
import { dataFolder } from "../DataFolder.ts"
import { Deployment } from "../Deployment.ts"
import { Operator } from "../Operator.ts"
import { operatorLayer } from "../Stack.ts"
import { endWithOutput } from "../terminal/endWithOutput.ts"
import { printLine } from "../terminal/Output.ts"
import { screen } from "../terminal/ScreenText.ts"
import * as shared from "./flags.ts"

const token = Config.option(Config.Redacted("OPENCODE_WORKER_TOKEN"))

const flags = {
  code: Argument.String("code").pipe(Argument.withDescription("As the worker's terminal shows it")),
  url: shared.url.pipe(Flag.withFallbackConfig(Config.String("OPENCODE_WORKER_URL")), Flag.optional),
  data: shared.data,
  demo: shared.demo,
  directory: shared.directory
}

/** An operator of a deployment elsewhere is whoever its identity provider gave a token to. */
const remote = Effect.fnUntraced(function* (given: string) {
  const url = yield* shared.resolveUrl(given)
  const jwt = yield* Effect.orDie(token)
  if (Option.isNone(jwt)) {
    return yield* configuration(
      "OPENCODE_WORKER_TOKEN is not set: it holds a JWT of yours that the deployment's auth.config.ts accepts."
    )
  }
  return Layer.provide(Operator.layer, ConvexClient.layer({ url, auth: Effect.succeed(Redacted.value(jwt.value)) }))
})

export const approve = Command.make(
  "approve",
  flags,
  Effect.fn(
    function* ({ code, data, demo, directory, url }) {
      const operator = Option.isSome(url)
        ? yield* remote(url.value)
        : yield* Effect.map(
            Effect.flatMap(shared.resolveDirectory(directory), (here) => dataFolder({ data, demo, directory: here })),
            (folder) => Layer.provide(operatorLayer, Deployment.find(folder))
          )
      yield* Effect.provide(
        Operator.use(({ approve: approveCode }) => approveCode(code)),
        operator
      )
      yield* printLine(screen`Approved: the worker is yours.`)
    },
    Effect.mapError(explain),
    endWithOutput(0)
  )
).pipe(Command.withDescription("Approve a worker by the code that it shows"))
