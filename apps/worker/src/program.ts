/** Runs the command with the services of the machine. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Cause, Effect, Layer, Runtime } from "effect"
import { UserDirectories } from "effect/persistence"
import { run } from "./cli.ts"
import { interruptOnHangup } from "./terminal/onHangup.ts"
import { useProxies } from "./proxy.ts"
import * as cliFormatter from "./terminal/output/cliFormatter.ts"
import * as logger from "./terminal/output/logger.ts"
import { ownErrors } from "./terminal/output/Output.ts"
import { styleFor } from "./terminal/output/Style.ts"

ownErrors()

useProxies(process.env)

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

/** Longest wait for output whose reader does not read, in milliseconds. */
const outputLimit = 2_000

/**
 * Exits when all output is written. Without `exit`, Node.js 26 sometimes never ends: it waits, at full load, for a handle that
 * is already gone (https://github.com/nodejs/node/issues/47748).
 */
const exitAfterOutput = (code: number) => {
  const exit = () => process.exit(code)
  setTimeout(exit, outputLimit)
  process.stdout.write("", () => process.stderr.write("", exit))
}

run.pipe(
  interruptOnHangup,
  Effect.provide(services),
  Effect.tapCause(report),
  Effect.provide(logger.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit) => Runtime.defaultTeardown(exit, exitAfterOutput)
  })
)
