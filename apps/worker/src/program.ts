/** Runs the command with the services of the machine. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import { Cause, ConfigProvider, Effect, type FileSystem, Layer, type Path, References, Runtime } from "effect"
import { UserDirectories } from "effect/persistence"
import { ChildProcessSpawner } from "effect/process"
import { run } from "./cli.ts"
import { useProxies } from "./proxy.ts"
import { runMain } from "./runMain.ts"
import * as cliFormatter from "./terminal/output/cliFormatter.ts"
import * as logger from "./terminal/output/logger.ts"
import { ownErrors } from "./terminal/output/Output.ts"
import { styleFor } from "./terminal/output/Style.ts"

/** Loaded when the command starts its first process. */
const spawner = Layer.effect(
  ChildProcessSpawner.ChildProcessSpawner,
  Effect.map(Effect.context<FileSystem.FileSystem | Path.Path>(), (context) => {
    const loaded = Effect.promise(() => import("@effect/platform-node/NodeChildProcessSpawner")).pipe(
      Effect.flatMap(({ layer }) => Effect.provide(ChildProcessSpawner.ChildProcessSpawner, layer)),
      Effect.provide(context)
    )
    return ChildProcessSpawner.make((command) => Effect.flatMap(loaded, (it) => it.spawn(command)))
  })
)

const services = Layer.suspend(() =>
  Layer.mergeAll(
    Layer.provideMerge(spawner, Layer.merge(NodeFileSystem.layer, NodePath.layer)),
    NodeStdio.layer,
    NodeTerminal.layer,
    UserDirectories.layer,
    cliFormatter.layer(styleFor(process.stdout.isTTY && process.stderr.isTTY))
  )
)

/** `runMain` would report errors without the logger. */
const report = (cause: Cause.Cause<unknown>) =>
  Cause.hasInterruptsOnly(cause) || !Runtime.getErrorReported(Cause.squash(cause))
    ? Effect.void
    : Effect.logError(cause)

/** Runs the command that the process's arguments name, in its environment of this moment, and ends the process. */
export const main = async (): Promise<void> => {
  ownErrors()
  await useProxies(process.env)
  run.pipe(
    Effect.provide(services),
    Effect.tapCause(report),
    // A service logs more: `start` sets its level.
    Effect.provideService(References.MinimumLogLevel, "Warn"),
    Effect.provide(logger.layer),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv()),
    runMain
  )
}
