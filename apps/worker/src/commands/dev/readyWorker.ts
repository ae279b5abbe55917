/** The worker of `dev`, and where its OpenCode works. */
import { hostname } from "node:os"
import { Client } from "@opencode-worker/client/effect"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { Duration, Effect, Option } from "effect"
import { AppError } from "../../AppError.ts"
import { durationOf } from "../../config/settings.ts"
import { initialFacts, RunningWorkers } from "../../health/RunningWorkers.ts"
import { packageVersion } from "../../info/version.ts"
import type { AboutWorker } from "../../info/WorkerInfo.ts"
import { demoHome } from "../../local/Demo.ts"
import { EmbeddedDeployment } from "../../local/EmbeddedDeployment.ts"
import { followWorker } from "../../running/followWorker.ts"
import { type DataFolder, dataFolders } from "../../state/DataFolder.ts"
import { makeWorker } from "../../Worker.ts"
import { shellEnvironment } from "../shared/environment.ts"
import type { Flags } from "./flags.ts"

/** OpenCode's directory and environment: the demo's own home, or the user's shell. */
export const surroundings = (demo: boolean, directory: string, folder: DataFolder) =>
  demo
    ? Effect.map(demoHome(folder.demo), (home) => ({ ...home, deniedPaths: [folder.deployment, folder.operator] }))
    : Effect.all({
        directory: Effect.succeed(directory),
        environment: shellEnvironment,
        deniedPaths: dataFolders(folder)
      })

export interface Surroundings {
  readonly directory: string
  readonly environment: AboutWorker["environment"]
  readonly deniedPaths: ReadonlyArray<string>
}

/** Starts the worker and waits until it is Ready. It ends with the scope. */
export const readyWorker = Effect.fnUntraced(function* (
  folder: DataFolder,
  where: Surroundings,
  { askTimeout, attachable }: Pick<Flags, "askTimeout" | "attachable">
) {
  const { directory, server } = yield* OpenCodeHost
  const client = yield* Client
  const worker = yield* makeWorker({
    machine: hostname(),
    directory,
    credentials: folder.worker(directory),
    privatePaths: where.deniedPaths,
    requestTimeLimit: Option.getOrElse(Option.flatMap(askTimeout, durationOf), () => Duration.hours(24)),
    // Only one process can open the data folder, so it may take over its predecessor's lease at once.
    processId: `dev ${folder.root}`,
    about: { version: packageVersion, permissions: "inherit", environment: where.environment },
    onPairingCode: (code) => client.call(({ workers }) => workers.approve(code))
  })
  const { lifecycle, workerId } = worker
  const facts = initialFacts(where.directory, yield* EmbeddedDeployment.useSync(({ url }) => url))
  yield* RunningWorkers.use(({ add }) => add(facts))
  yield* followWorker(worker, facts, Option.contains(attachable, true), () => Effect.void)
  yield* Effect.forkScoped(Effect.ignore(Effect.map(server, ({ version }) => void (facts.opencodeVersion = version))))
  const state = yield* lifecycle
    .send(WorkerEvent.cases.Start.make({}))
    .pipe(Effect.andThen(lifecycle.awaitState("Ready", "Stopped")), Effect.orDie)
  if (state._tag === "Stopped") {
    return yield* new AppError({ text: `The worker stopped: ${state.detail}`, exitCode: state.exitCode })
  }
  return { lifecycle, workerId: yield* Effect.orDie(Effect.flatMap(workerId, Effect.fromOption)) }
})
