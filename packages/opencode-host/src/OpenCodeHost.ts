/**
 * One OpenCode server for one directory, started when it is needed and never left behind.
 */
import { randomUUID } from "node:crypto"
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { HostError } from "./HostError.ts"
import { Unsupported } from "./HostErrorReason.ts"
import type { HostEvent } from "./HostEvent.ts"
import { ascendingId } from "./Ids.ts"
import type { OpenCodeClient, OpenCodeEvent, TurnInput } from "./OpenCodeClient.ts"
import type { OpenCodeHostOptions } from "./OpenCodeHostOptions.ts"
import type { OpenCodeServer } from "./OpenCodeServer.ts"
import type { OpenCodeRequestRef, RequestReply } from "./OpenCodeRequest.ts"
import type { TurnEvent } from "./TurnEvent.ts"
import { abortSession } from "./internal/turn/abort.ts"
import { findBinary, warnOfOwn } from "./internal/server/binary.ts"
import { resolveDirectory } from "./internal/server/directory.ts"
import { makeClient } from "./internal/client/client.ts"
import { serverEnvironment } from "./internal/server/environment.ts"
import { makeContainment } from "./internal/process/controlGroup.ts"
import { makeGuard } from "./internal/process/guard.ts"
import { makeHub } from "./internal/server/hub.ts"
import { assertAsks, withoutAlways } from "./internal/server/alwaysAsk.ts"
import { defaultUsername, health, type Instance } from "./internal/server/instance.ts"
import { removeDeadLocks } from "./internal/server/deadLocks.ts"
import { holdDirectory } from "./internal/server/lock.ts"
import { checkOptions, checkTurn } from "./internal/options.ts"
import { makePaths } from "./internal/plugin/paths.ts"
import { prepareProject } from "./internal/projectConfig/prepare.ts"
import { replyTo } from "./internal/turn/requests.ts"
import { restartPolicy } from "./internal/server/restarts.ts"
import { checkTemporaryDirectory } from "./internal/server/secretPreload.ts"
import { spawnServer } from "./internal/server/spawn.ts"
import { makeSupervisor } from "./internal/server/supervisor.ts"
import type { RunningTurns } from "./internal/turn/runningTurns.ts"
import { runTurn } from "./internal/turn/turn.ts"

/**
 * **When to use**
 *
 * Use to work with OpenCode in one directory without owning its process.
 *
 * **Details**
 *
 * Building the layer does not wait for the server: it fails early on what is knowable (the directory, the binary, the
 * lock), and every use waits for the one shared start. A server that died is restarted after a backoff; after repeated
 * failures the host stops retrying. Closing the layer's scope ends the server and everything that it started.
 */
export class OpenCodeHost extends Context.Service<
  OpenCodeHost,
  {
    /** Marks every process below the server; see `listProcesses`. */
    readonly hostId: string
    /** The directory, with symbolic links resolved. */
    readonly directory: string
    /** The running server, started if there is none. Callers share one start; a use after a failure tries again. */
    readonly server: Effect.Effect<OpenCodeServer, HostError>
    readonly client: OpenCodeClient
    /**
     * Runs `run` only if the server runs or starts, and returns none otherwise. It does not count as activity: it never
     * starts an idle server or postpones `idleTimeout`. A server that was lost (it exited, the host gave up, or an
     * attached server was unreachable) is restarted.
     */
    readonly ifRunning: <A, E, R>(
      run: (client: OpenCodeClient) => Effect.Effect<A, E, R>
    ) => Effect.Effect<Option.Option<A>, E, R>
    /** Live events from now on. All listeners share one connection; listening starts no server. */
    readonly events: Stream.Stream<HostEvent>
    /** The events that `accepts` returns true for, and all gaps. Most events are pieces of text, so a reader of others leaves them out. */
    readonly listen: (accepts: (event: OpenCodeEvent) => boolean) => Stream.Stream<HostEvent>
    /**
     * Runs one prompt. Fails only before `Delivered`, and then the same ids may be given again; afterwards it ends with
     * exactly one `Ended`. A prompt that OpenCode has already is followed, not sent. Interrupting aborts the turn, and
     * those that run with it in the session (`steer`).
     */
    readonly turn: (input: TurnInput) => Stream.Stream<TurnEvent, HostError>
    /**
     * Replies to a request of a turn (`RequestOpened`). `closed`: the agent no longer waits for it, because it was replied
     * to elsewhere or its tool has ended. Nothing was sent to the agent then.
     */
    readonly reply: (request: OpenCodeRequestRef, reply: RequestReply) => Effect.Effect<"replied" | "closed", HostError>
    /** Aborts what the session runs, prompts that steer it included, and waits until it is idle (10 s at most, then `Timeout`). */
    readonly abort: (sessionId: string) => Effect.Effect<void, HostError>
  }
>()("@opencode-worker/opencode-host/OpenCodeHost") {
  /**
   * Hosts OpenCode in one directory. Fails early with `InvalidOption`, `DirectoryNotFound`, `BinaryNotFound` or
   * `DirectoryInUse`.
   * Bind the layer to a constant: each call makes another host.
   */
  static readonly layer = (options: OpenCodeHostOptions): Layer.Layer<OpenCodeHost, HostError> =>
    Layer.effect(OpenCodeHost, make(options)).pipe(Layer.provide(processes))
}

const processes = NodeChildProcessSpawner.layer.pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))

const make = Effect.fnUntraced(function* (options: OpenCodeHostOptions) {
  yield* checkOptions(options)
  const directory = yield* resolveDirectory(options.directory)
  const hostId = randomUUID()
  const start =
    options.attach === undefined ? yield* ownServer(options, directory, hostId) : attachServer(options.attach, options)
  const hub = yield* makeHub()
  const { ifRunning, keepAlive, running, use } = yield* makeSupervisor({
    start,
    hub,
    directory,
    restart: options.attach === undefined ? restartPolicy(options.restart) : undefined,
    limits: options.attach === undefined ? options : undefined,
    verify: options.alwaysAsk === true ? (server) => assertAsks(server, directory) : undefined,
    stopTimeout: options.attach === undefined ? options.stopTimeout : 0
  })
  const listen = (accepts?: (event: OpenCodeEvent) => boolean) =>
    Stream.scoped(Stream.unwrap(Effect.map(hub.listen(accepts), Stream.fromQueue)))
  const client = options.alwaysAsk === true ? withoutAlways(makeClient(use, directory)) : makeClient(use, directory)
  const turns: RunningTurns = new Map()
  const isAttached = options.attach !== undefined
  const readable = { directory, denied: (options.deniedPaths ?? []).map(makePaths().real) }
  const abort = (sessionId: string) => abortSession(client, turns, sessionId)
  const scope = yield* Effect.scope
  const background = (effect: Effect.Effect<void>) => Effect.forkIn(effect, scope, { startImmediately: true })
  if (options.start === "eager") yield* Effect.forkScoped(Effect.ignore(running), { startImmediately: true })
  return OpenCodeHost.of({
    hostId,
    directory,
    server: use(({ server }) => Effect.succeed(server)),
    client,
    ifRunning: Effect.fnUntraced(function* (run) {
      const found = yield* ifRunning
      return Option.isNone(found) ? Option.none() : Option.some(yield* run(makeClient(found.value, directory)))
    }),
    events: listen(),
    listen,
    turn: (input) =>
      Stream.unwrap(
        Effect.gen(function* () {
          yield* checkTurn(input)
          const { messageId = yield* ascendingId("msg"), partId = yield* ascendingId("prt") } = input
          const turnHost = {
            client,
            readable,
            isAttached,
            keepAlive,
            running,
            subscribe: hub.subscribe,
            turns,
            abort,
            background
          }
          return runTurn(turnHost, { ...input, messageId, partId })
        })
      ),
    reply: (request, reply) => replyTo(client, request, reply),
    abort
  })
})

/** Imported when it is needed, because it loads `Schema`. */
const defaultStateDirectory = Effect.promise(() => import("effect/persistence/UserDirectories")).pipe(
  Effect.flatMap((directories) => directories.make().state("opencode-worker")),
  Effect.orDie
)

const ownServer = Effect.fnUntraced(function* (options: OpenCodeHostOptions, directory: string, hostId: string) {
  const binary = yield* findBinary(options.binary)
  yield* Effect.forkScoped(warnOfOwn(binary))
  yield* checkTemporaryDirectory
  const stateDirectory = options.stateDirectory ?? (yield* defaultStateDirectory)
  yield* holdDirectory({ stateDirectory, directory, hostId })
  const environment = yield* serverEnvironment(options.environment ?? {})
  const guard = yield* makeGuard(hostId, environment["PATH"] ?? "/usr/bin:/bin")
  const containment = options.contain === false ? Option.none() : yield* makeContainment(hostId)
  const deniedPaths = (options.deniedPaths ?? []).map(makePaths().real)
  return Effect.gen(function* () {
    // It may be gone by the time of a restart, and OpenCode would not say so.
    yield* resolveDirectory(directory)
    yield* removeDeadLocks(environment)
    const project = yield* prepareProject(options.projectConfig ?? "all", directory, environment)
    return yield* spawnServer({
      binary,
      project: project.plugin,
      workingDirectory: project.workingDirectory,
      hostId,
      guard,
      containment,
      environment: project.environment,
      config: options.config,
      alwaysAsk: options.alwaysAsk ?? false,
      deniedPaths,
      timeout: Duration.fromInputUnsafe(options.startTimeout ?? "30 seconds"),
      allowUntestedVersion: options.allowUntestedVersion ?? false
    })
  })
})

const attachServer = Effect.fnUntraced(function* (
  attach: NonNullable<OpenCodeHostOptions["attach"]>,
  { allowUntestedVersion = false, alwaysAsk = false, deniedPaths = [], projectConfig = "all" }: OpenCodeHostOptions
) {
  if (alwaysAsk || deniedPaths.length > 0 || projectConfig !== "all") {
    const name = alwaysAsk ? "alwaysAsk" : deniedPaths.length > 0 ? "deniedPaths" : "projectConfig"
    const advice = `Leave ${name} out: the configuration of that server decides what its tools may do. Or do not attach.`
    return yield* new HostError({ reason: new Unsupported({ operation: `${name} with attach`, advice }) })
  }
  const password = Redacted.isRedacted(attach.password) ? attach.password : Redacted.make(attach.password)
  const access = { url: attach.url, username: attach.username ?? defaultUsername, password }
  const version = yield* health(access, allowUntestedVersion)
  const startedAt = yield* Clock.currentTimeMillis
  const server = {
    ...access,
    passwordHidden: false,
    version,
    pid: undefined,
    binary: undefined,
    bootMillis: 0,
    startedAt
  }
  const exited = yield* Deferred.make<string>()
  const kill = Effect.asVoid(Deferred.succeed(exited, "it was given up"))
  return { server, exited: Deferred.await(exited), notice: Effect.void, kill } satisfies Instance
})
