/** Runs the worker of one directory until it stops. */
import { hostname } from "node:os"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { WorkerEvent, type WorkerState } from "@opencode-worker/worker-fsm"
import { Duration, Effect, Layer, Option, type Scope } from "effect"
import { type Advice, AppError, configError } from "../AppError.ts"
import { hostable } from "../commands/shared/hostable.ts"
import { isLocal, resolveUrl } from "../commands/shared/url.ts"
import { budgetOf } from "../config/budget.ts"
import { durationOf, type DirectoryValues } from "../config/settings.ts"
import { inDirectory, type WorkerFacts } from "../health/RunningWorkers.ts"
import { packageVersion } from "../info/version.ts"
import { openCodeLayer } from "../layers.ts"
import { unlessHopeless, whenRunning } from "../opencode/startup.ts"
import { proxyFor } from "../proxy.ts"
import { type DataFolder, dataFolder, dataFolders } from "../state/DataFolder.ts"
import * as PairingCode from "../state/PairingCode.ts"
import { processIdIn } from "../state/ProcessId.ts"
import { none, ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { makeWorker } from "../Worker.ts"
import { announce } from "../terminal/output/announce.ts"
import { followWorker } from "./followWorker.ts"
import { hostOptions, projectChoice } from "./hostOptions.ts"

/** The flags that help with an error of a library. */
export const advice: Advice = {
  UnsupportedVersion: (reason) =>
    reason._tag === "UnsupportedVersion" && reason.version.startsWith("1.")
      ? "Or run it with --allow-untested-version."
      : "",
  ProjectUnusable: () => "Or give the project's configuration all effect with --trust-project.",
  ProjectChanged: () => "--trust-project trusts it again, --no-trust-project ignores it.",
  Unauthorized: () => "Set OPENCODE_SERVER_PASSWORD, and OPENCODE_SERVER_USERNAME unless it is opencode."
}

/** Reports the state changes of a worker. */
const stateReporter = () => {
  let before: WorkerState["_tag"] | undefined
  let wasReady = false
  return (state: WorkerState): Effect.Effect<void> => {
    const line = announceState(state, before, wasReady)
    before = state._tag
    wasReady ||= state._tag === "Ready"
    return line
  }
}

const announceState = (
  state: WorkerState,
  before: WorkerState["_tag"] | undefined,
  wasReady: boolean
): Effect.Effect<void> => {
  switch (state._tag) {
    case "Ready":
      if (before === "Paused") return announce("Resumed")
      return announce("Ready", wasReady ? none : screen`${Math.round(process.uptime() * 1000)} ms after the start`)
    case "Recovering":
      return announce("Trying again", screen`${state.detail}`)
    case "Paused":
      return announce("Paused")
    case "Draining":
      return announce("Draining", screen`waits up to 30 s for running turns; a further signal stops them`)
    default:
      return Effect.void
  }
}

/** Reports OpenCode's version once it has started. The worker is Ready earlier. */
const announceServer = (facts: WorkerFacts) =>
  OpenCodeHost.use(({ server }) => server).pipe(
    Effect.flatMap(({ bootMillis, pid, url, version }) => {
      facts.opencodeVersion = version
      const how = pid === undefined ? `at ${url}` : `up after ${Math.round(bootMillis)} ms`
      return announce("OpenCode", screen`${version}, ${how}`)
    }),
    Effect.ignore
  )

/** Runs at each stop request. A second one ends the running turns. */
export type OnStart = (stop: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>

/** Fails with the worker's reason unless it stopped on request. */
const serve = Effect.fnUntraced(function* (
  folder: DataFolder,
  url: string,
  given: DirectoryValues,
  facts: WorkerFacts,
  onStart: OnStart
) {
  const { directory, hostId } = yield* OpenCodeHost
  yield* announce("directory", ScreenText.line(directory))
  yield* announce("deployment", screen`${url}`)
  yield* announce("data", ScreenText.line(folder.root))
  const proxy = isLocal(url) ? undefined : proxyFor(url, process.env)
  if (proxy !== undefined) yield* announce("proxy", ScreenText.line(proxy))
  const credentials = folder.worker(directory, url)
  const pairingCode = yield* PairingCode.make({
    url,
    file: Option.fromUndefinedOr(given.pairingCodeFile),
    defaultFile: `${credentials}.code`,
    print: given.printPairingCode === true
  })
  yield* Effect.addFinalizer(() => pairingCode.forget)
  const askTimeout = yield* Effect.fromOption(durationOf(given.askTimeout ?? "")).pipe(
    Effect.orElseSucceed(() => Duration.hours(24))
  )
  const isAttached = given.attach !== undefined
  const worker = yield* makeWorker({
    machine: hostname(),
    directory,
    credentials,
    privatePaths: yield* dataFolders(folder),
    // Several workers may attach to one server without a common lock.
    processId: isAttached ? `attach ${hostId}` : yield* processIdIn(directory),
    owner: given.owner,
    about: {
      version: packageVersion,
      permissions: given.permissions ?? "careful",
      environment: isAttached ? undefined : { ...process.env }
    },
    requestTimeLimit: askTimeout,
    allowShell: given.allowShell,
    budget: Option.getOrUndefined(budgetOf(given.budget ?? "")),
    beforePairing: whenRunning,
    // A code that cannot be shown cannot be approved.
    onPairingCode: (code) => Effect.orDie(pairingCode.show(code)),
    onApproved: (owner) => Effect.andThen(pairingCode.forget, announce("Owner", ScreenText.line(owner)))
  })
  const { lifecycle } = worker
  yield* followWorker(worker, facts, given.attachable === true, stateReporter())
  yield* onStart(Effect.ignore(lifecycle.send(WorkerEvent.cases.Stop.make({}))))
  yield* Effect.orDie(lifecycle.send(WorkerEvent.cases.Start.make({})))
  const { detail, exitCode } = yield* Effect.raceFirst(lifecycle.stopped, unlessHopeless(announceServer(facts)))
  yield* announce("Stopped", screen`${detail}`)
  if (exitCode !== 0) return yield* new AppError({ text: `The worker stopped: ${detail}`, exitCode })
})

/** Fails with the reason of the worker unless it stopped on request. Keeps the facts up to date. */
export const runWorker = Effect.fnUntraced(function* (given: DirectoryValues, facts: WorkerFacts, onStart: OnStart) {
  const host = yield* hostOptions(given)
  const { directory } = host
  const folder = yield* dataFolder({ data: Option.fromUndefinedOr(given.data), demo: false, directory })
  if (given.url === undefined) {
    return yield* configError("The deployment is missing: give its address with --url or OPENCODE_WORKER_URL.")
  }
  const url = yield* resolveUrl(given.url)
  const secret = yield* dataFolders(folder)
  yield* hostable({ directory, dataFolders: secret, allowed: given.allowHome === true })
  // The server that a worker attaches to decides what its tools may read.
  const deniedPaths = host.attach === undefined ? secret : []
  const project = yield* projectChoice(given, host, folder)
  yield* Effect.scoped(serve(folder, url, given, facts, onStart)).pipe(
    Effect.provide(
      Layer.merge(ConvexClient.layer({ url }), openCodeLayer({ ...host, deniedPaths, projectConfig: project })),
      // Each worker has layers of its own.
      { local: true }
    ),
    inDirectory(facts.directory)
  )
})
