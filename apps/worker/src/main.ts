/**
 * The `opencode-worker` command.
 *
 * @since 0.1.0
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { UserDirectories } from "effect/persistence"
import { run } from "./cli.ts"
import { interruptOnHangup } from "./interruptOnHangup.ts"

run.pipe(interruptOnHangup, Effect.provide(Layer.merge(NodeServices.layer, UserDirectories.layer)), NodeRuntime.runMain)
