/**
 * The least that a start of the worker does, without anything of ours: a command of Effect that starts OpenCode and waits for an
 * answer of the deployment. The deployment refuses the query of a client that has not signed in, which is an answer.
 * Prints the id of OpenCode's process, which the caller ends.
 */
import { spawn } from "node:child_process"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConvexClient } from "convex/browser"
import { anyApi } from "convex/server"
import { Console, Effect, Schema } from "effect"
import { Argument, Command } from "effect/cli"

const start = Command.make(
  "start",
  { openCode: Argument.String("opencode"), port: Argument.String("port"), deployment: Argument.String("deployment") },
  Effect.fn(function* ({ deployment, openCode, port }) {
    const { origin } = yield* Schema.decodeUnknownEffect(Schema.URLFromString)(deployment)
    const { pid } = spawn(openCode, ["serve", "--hostname", "127.0.0.1", "--port", port], { stdio: "ignore" })
    const client = new ConvexClient(origin, { logger: false, unsavedChangesWarning: false })
    yield* Effect.promise(() => client.query(anyApi["workers"]!["list"]!, {}).catch(() => undefined))
    yield* Console.log(pid)
    return yield* Effect.never
  })
)

NodeRuntime.runMain(Command.run(start, { version: "0.0.0" }).pipe(Effect.provide(NodeServices.layer)))
