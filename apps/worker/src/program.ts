/** Runs the command with the services of the machine. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Layer, References, Runtime } from "effect"
import { UserDirectories } from "effect/persistence"
import { run } from "./cli.ts"
import { useProxies } from "./proxy.ts"
import { runMain } from "./runMain.ts"
import * as cliFormatter from "./terminal/output/cliFormatter.ts"
import * as logger from "./terminal/output/logger.ts"
import { ownErrors } from "./terminal/output/Output.ts"
import { styleFor } from "./terminal/output/Style.ts"

ownErrors()

await useProxies(process.env)

const services = Layer.mergeAll(
  NodeServices.layer,
  UserDirectories.layer,
  cliFormatter.layer(styleFor(process.stdout.isTTY && process.stderr.isTTY))
)

/** `runMain` would report errors without the logger. */
const report = (cause: Cause.Cause<unknown>) =>
  Cause.hasInterruptsOnly(cause) || !Runtime.getErrorReported(Cause.squash(cause))
    ? Effect.void
    : Effect.logError(cause)

run.pipe(
  Effect.provide(services),
  Effect.tapCause(report),
  // A service logs more: `start` sets its level.
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  Effect.provide(logger.layer),
  runMain
)
