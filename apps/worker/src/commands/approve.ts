/** `opencode-worker approve <code>`: shows the worker with this code and, after confirmation, makes you its operator. */
import { Client } from "@opencode-worker/client/effect"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Clock, Config, Duration, Effect, Layer, Option, Redacted } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { AppError, configError, exitCodes, toAppError, temporaryError, usageError } from "../AppError.ts"
import { dataFolder } from "../state/DataFolder.ts"
import { EmbeddedDeployment } from "../local/EmbeddedDeployment.ts"
import { isInteractive } from "../terminal/PromptSource.ts"
import { operatorLayer } from "../layers.ts"
import * as ChatInput from "../terminal/input/ChatInput.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { print, printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { resolveDirectory } from "./shared/directory.ts"
import * as shared from "./shared/flags.ts"
import { resolveUrl } from "./shared/url.ts"

const token = Config.option(Config.Redacted("OPENCODE_WORKER_TOKEN"))

const flags = {
  code: Argument.String("code").pipe(Argument.withDescription("The code that the worker shows")),
  url: shared.url.pipe(Flag.withFallbackConfig(Config.String("OPENCODE_WORKER_URL")), Flag.optional),
  yes: Flag.Boolean("yes").pipe(
    Flag.withAlias("y"),
    Flag.withDescription("Approve without confirmation; required without a terminal"),
    Flag.withDefault(false)
  ),
  data: shared.data,
  demo: shared.demo,
  directory: shared.directory
}

/** A deployment that does not respond within this time is reported as unreachable. */
const patience = "20 seconds"

/** The operator of a remote deployment has a token from its identity provider. */
const remote = Effect.fnUntraced(function* (url: string) {
  const jwt = yield* Effect.orDie(token)
  if (Option.isNone(jwt)) {
    return yield* configError("Set OPENCODE_WORKER_TOKEN to a JWT that the deployment's auth.config.ts accepts.")
  }
  return Layer.provide(Client.layer, ConvexClient.layer({ url, auth: Effect.succeed(Redacted.value(jwt.value)) }))
})

const refusedToken = new AppError({
  text: "The deployment refuses OPENCODE_WORKER_TOKEN: it has expired, or its issuer or audience is not one of auth.config.ts.",
  exitCode: exitCodes.NotAuthorised
})

/**
 * A deployment that refuses a token closes the connection. An action would be lost with it, but a query is repeated and
 * receives the refusal.
 */
const signedIn = Client.use((client) => client.call(({ workers }, options) => workers.list(options))).pipe(
  Effect.catchTag("ConvexClientError", (error) =>
    Effect.fail(error.reason._tag === "Rejected" && error.reason.code === "Unauthenticated" ? refusedToken : error)
  )
)

const ageOf = (millis: number): string => {
  const age = Duration.millis(Math.max(0, millis))
  return Duration.toSeconds(age) < 60
    ? `${Math.round(Duration.toSeconds(age))} s`
    : `${Math.round(Duration.toMinutes(age))} min`
}

const confirm = (asked: ScreenText) =>
  Effect.scoped(
    Effect.gen(function* () {
      const input = yield* ChatInput.make
      const reply = input.talk((ask) =>
        Effect.gen(function* () {
          let typed = yield* ask(asked)
          while (!/^\s*(y|yes|n|no)\s*$/i.test(typed)) typed = yield* ask(screen`  Type yes or no.\n`)
          return /^\s*y/i.test(typed)
        })
      )
      return yield* Effect.raceFirst(reply, input.quit)
    })
  )

const approveShown = Effect.fnUntraced(function* (code: string, isConfirmed: boolean) {
  const client = yield* Client
  const { address, createdAt, directory, machine } = yield* client.call(({ workers }) => workers.preview(code))
  const age = ageOf((yield* Clock.currentTimeMillis) - createdAt)
  const from = address === null ? screen`` : screen`address       ${ScreenText.line(address)}\n`
  const worker = screen`machine       ${ScreenText.line(machine)}\ndirectory     ${ScreenText.line(directory)}\n${from}code          began ${age} ago\n`
  const warning = screen`The machine and the directory are the worker's own words: compare the code with its terminal.\n`
  if (isConfirmed) yield* print(worker)
  else if (!(yield* confirm(screen`${worker}${warning}? Make this worker yours? [y]es, [n]o\n`))) {
    return yield* new AppError({ text: "Not approved.", exitCode: exitCodes.Aborted })
  }
  yield* client.call(({ workers }) => workers.approve(code))
  yield* printLine(
    screen`Approved: ${ScreenText.line(machine)}, ${ScreenText.line(directory)}. It is yours until you revoke it.`
  )
})

export const approve = Command.make(
  "approve",
  flags,
  Effect.fn(
    function* ({ code, data, demo, directory, url, yes }) {
      if (!yes && !(yield* isInteractive)) {
        return yield* usageError("Approving needs a person at a terminal who can check the worker, or --yes.")
      }
      const address = Option.isSome(url) ? yield* resolveUrl(url.value) : undefined
      const operator =
        address !== undefined
          ? yield* remote(address)
          : yield* Effect.map(
              Effect.flatMap(resolveDirectory(directory), (here) => dataFolder({ data, demo, directory: here })),
              (folder) => Layer.provide(operatorLayer, EmbeddedDeployment.find(folder))
            )
      const reached = signedIn.pipe(
        Effect.timeoutOrElse({
          duration: patience,
          orElse: () =>
            temporaryError(
              `${address ?? "The deployment"} does not respond: check the address and the network, and try again.`
            )
        })
      )
      yield* Effect.provide(Effect.andThen(reached, approveShown(code, yes)), operator)
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription("Approve a worker by the code that it shows"))
