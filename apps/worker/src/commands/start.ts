/**
 * `opencode-worker start`: a worker for a deployment that runs elsewhere, until it is told to stop.
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import { ConvexClient, Policy } from "@opencode-worker/convex-sync"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import type { WorkerState } from "@opencode-worker/worker-fsm"
import { Config, Console, Effect, Layer, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { AppError, explain } from "../AppError.ts"
import { type DataFolder, dataFolder } from "../DataFolder.ts"
import { openCode } from "../Stack.ts"
import { startWorker } from "../Worker.ts"
import * as shared from "./flags.ts"

const flags = {
  url: shared.url.pipe(Flag.withFallbackConfig(Config.String("OPENCODE_WORKER_URL"))),
  directory: shared.directory,
  data: shared.data,
  permissions: Flag.Literals("permissions", ["careful", "inherit"]).pipe(
    Flag.withDescription(
      "careful: shell, edits and web access wait for a person. inherit: your OpenCode configuration decides"
    ),
    Flag.withDefault("careful")
  ),
  opencode: shared.opencode
}
type Flags = Command.Command.Config.Infer<typeof flags>

const showCode = (code: string) =>
  Console.log(`Pairing code  ${code}\nWhoever approves it within 10 minutes owns this worker: opencode-worker approve.`)

/** What a person at the terminal wants to know of a change; the worker was Ready before. */
const describe = (state: WorkerState): string => ("detail" in state ? `${state._tag}: ${state.detail}` : state._tag)

/** Runs the worker until it stops by itself, and fails with its last words unless it was asked to. */
const serve = Effect.fnUntraced(function* (folder: DataFolder, url: string, policy: Policy.Policy) {
  const { directory } = yield* OpenCodeHost
  yield* Console.log(`directory     ${directory}\ndeployment    ${url}\ndata          ${folder.root}`)
  const { lifecycle } = yield* startWorker({
    machine: hostname(),
    directory,
    credentials: folder.worker(directory, url),
    // Only one process hosts the directory, so whoever does may follow its predecessor at once.
    processId: `start ${folder.root}`,
    policy,
    onPairingCode: showCode
  })
  yield* Console.log(`Ready         ${Math.round(process.uptime() * 1000)} ms after the start`)
  yield* lifecycle.changes.pipe(
    Stream.drop(1),
    Stream.runForEach((state) => Console.log(describe(state))),
    Effect.forkScoped
  )
  const { detail, exitCode } = yield* lifecycle.stopped
  if (exitCode !== 0) return yield* new AppError({ text: `The worker stopped: ${detail}`, exitCode })
})

const hostOptions = Effect.fnUntraced(function* ({ directory, opencode }: Flags, policy: Policy.Policy) {
  const permission = Policy.configuration(policy)
  return {
    directory: yield* shared.resolveDirectory(directory),
    environment: yield* shared.shellEnvironment,
    binary: Option.getOrUndefined(opencode),
    start: "eager",
    ...(permission !== undefined && { config: { permission } })
  } as const
})

export const start = Command.make(
  "start",
  flags,
  Effect.fn(function* (given) {
    const policy = given.permissions === "careful" ? Policy.careful : "inherit"
    const host = yield* hostOptions(given, policy)
    const folder = yield* dataFolder({ data: given.data, demo: false, directory: host.directory })
    const url = yield* shared.resolveUrl(given.url)
    yield* Effect.scoped(serve(folder, url, policy)).pipe(
      Effect.provide(Layer.merge(ConvexClient.layer({ url }), openCode(host)))
    )
  }, Effect.mapError(explain))
).pipe(Command.withDescription("Run a worker for a Convex deployment, until it is told to stop"))
