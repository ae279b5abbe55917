/**
 * Runs the command with what it needs of the machine.
 *
 * @since 0.1.0
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer, Logger } from "effect"
import { UserDirectories } from "effect/persistence"
import { run } from "./cli.ts"
import { interruptOnHangup } from "./interruptOnHangup.ts"

// Standard output is the conversation's; what is logged goes beside it.
const services = Layer.mergeAll(NodeServices.layer, UserDirectories.layer, Layer.succeed(Logger.LogToStderr, true))

run.pipe(interruptOnHangup, Effect.provide(services), NodeRuntime.runMain)
