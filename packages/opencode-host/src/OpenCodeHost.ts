/**
 * One OpenCode server for one directory, started when it is needed and never left behind.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import { NodeServices } from "@effect/platform-node"
import { Clock, Context, Deferred, Duration, Effect, Layer, Option, Redacted, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { UserDirectories } from "effect/persistence"
import { HostError, Unsupported } from "./HostError.ts"
import type { HostEvent } from "./HostEvent.ts"
import { ascendingId } from "./Ids.ts"
import type { OpenCodeClient, TurnInput } from "./OpenCodeClient.ts"
import type { OpenCodeServer } from "./OpenCodeServer.ts"
import type { OpenCodeRequestRef, RequestReply } from "./OpenCodeRequest.ts"
import type { ProjectConfig } from "./ProjectConfig.ts"
import type { TurnEvent } from "./TurnEvent.ts"
import { abortSession } from "./internal/abort.ts"
import { findBinary } from "./internal/binary.ts"
import { resolveDirectory } from "./internal/directory.ts"
import { makeClient } from "./internal/client.ts"
import { serverEnvironment } from "./internal/environment.ts"
import { makeContainment } from "./internal/controlGroup.ts"
import { makeGuard } from "./internal/guard.ts"
import { makeHub } from "./internal/hub.ts"
import { assertAsks, withoutAlways } from "./internal/guarded.ts"
import { defaultUsername, health, type Instance } from "./internal/instance.ts"
import { holdDirectory } from "./internal/lock.ts"
import { checkOptions, checkTurn } from "./internal/options.ts"
import { makePaths } from "./internal/plugin/paths.ts"
import { prepareProject } from "./internal/projectConfig/prepare.ts"
import { replyTo } from "./internal/requests.ts"
import { restartPolicy } from "./internal/restarts.ts"
import { spawnServer } from "./internal/spawn.ts"
import { makeSupervisor } from "./internal/supervisor.ts"
import { type RunningTurn, runTurn } from "./internal/turn.ts"

/**
 * How often a server may fail before it is given up. A failure is a start that failed or an end that nobody asked for;
 * restarts after the first ones come after 0.5, 1, 2, … 30 s, a quarter more or less.
 *
 * @category options
 * @since 0.1.0
 */
export interface RestartOptions {
  /** Failures within the window that make the host give up. Default 5. */
  readonly limit?: number | undefined
  /** The window. Default 10 minutes. */
  readonly within?: Duration.Input | undefined
  /** How long uses then fail with `GaveUp`, before one of them tries again. Default 1 minute. */
  readonly retryAfter?: Duration.Input | undefined
}

/**
 * When an idle server is replaced by a fresh one. Without a limit it never is.
 *
 * @category options
 * @since 0.1.0
 */
export interface RecycleOptions {
  /** Resident memory of the server process, in bytes. OpenCode needs about 400 MB to start, 850 MB under load. */
  readonly memory?: number | undefined
  readonly age?: Duration.Input | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Where the agent works. Must exist. */
  readonly directory: string
  /** Path of the OpenCode binary. Default: `OPENCODE_BIN`, the installed platform package, `PATH`, in this order. */
  readonly binary?: string | undefined
  /** Run other versions of OpenCode 1 than 1.18 too. Default false. */
  readonly allowUntestedVersion?: boolean | undefined
  /** Added to the few variables that the server inherits. Tools of the agent see all of it: keep secrets out. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** OpenCode configuration, merged over the user's and the project's. The agent's commands do not see it. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
  /**
   * Every tool call waits for an answer (`permissions.reply`), in every agent and session, whatever the user's, the project's
   * or an agent's configuration allows; what it denies stays denied. Exempt are tools that read inside the directory or
   * change nothing: `read` (but `.env` files), `list`, `glob`, `grep`, `task`, `todowrite`, `skill`, `question`. Formatters,
   * language servers, and custom tools, which cannot ask, do not run. For a server that this host starts; fails with
   * `Unsupported` with `attach`. Default false.
   */
  readonly alwaysAsk?: boolean | undefined
  /**
   * Files and folders that no tool of OpenCode may read or change, by whatever link it reaches them. A shell command can:
   * only a person who is asked for it can guard against that. Fails with `Unsupported` with `attach`.
   */
  readonly deniedPaths?: ReadonlyArray<string> | undefined
  /**
   * Contain the server and everything that it starts in a Linux control group where this machine allows it. Default
   * true. Without one, processes are found by what they inherit; see the README.
   */
  readonly contain?: boolean | undefined
  /**
   * What the project's own configuration may do. Default: `"all"`, as OpenCode does. Read again at each start of the server,
   * which fails with `ProjectUnusable` or `ProjectChanged`. For a server that this host starts; `Unsupported` with `attach`.
   */
  readonly projectConfig?: ProjectConfig | undefined
  /** `eager` starts the server in the background at once; `lazy` (default) at the first use. */
  readonly start?: "lazy" | "eager" | undefined
  /** Default 30 seconds. */
  readonly startTimeout?: Duration.Input | undefined
  readonly restart?: RestartOptions | undefined
  /**
   * Ends the server when it was not used for this long and no session is busy; the next use starts it. Every call of
   * the client and every event is a use, listening is none. Default: never.
   */
  readonly idleTimeout?: Duration.Input | undefined
  readonly recycle?: RecycleOptions | undefined
  /** How long closing the host waits for busy sessions before it ends the server under them. Default 5 seconds. */
  readonly stopTimeout?: Duration.Input | undefined
  /** Use a server that somebody else runs, and never stop it. */
  readonly attach?:
    | {
        readonly url: string
        /** Default: `opencode`. */
        readonly username?: string | undefined
        readonly password: Redacted.Redacted | string
      }
    | undefined
  /** Where the lock of the directory lives. Default: `$XDG_STATE_HOME/opencode-worker`. */
  readonly stateDirectory?: string | undefined
}

/**
 * **When to use**
 *
 * Use to work with OpenCode in one directory without owning its process.
 *
 * **Details**
 *
 * Building the layer does not wait for the server: it fails early on what is knowable (the directory, the binary, the
 * lock), and every use waits for the one shared start. A server that died is started anew, after a backoff; one that
 * fails again and again is given up. Closing the layer's scope ends the server and everything that it started.
 *
 * @category services
 * @since 0.1.0
 */
export class OpenCodeHost extends Context.Service<
  OpenCodeHost,
  {
    /** Marks every process below the server; see `survivors`. */
    readonly hostId: string
    /** The directory, with symbolic links resolved. */
    readonly directory: string
    /** The running server, started if there is none. Callers share one start; a use after a failure tries again. */
    readonly server: Effect.Effect<OpenCodeServer, HostError>
    readonly client: OpenCodeClient
    /**
     * Runs calls that are no use of the server: they neither start it nor keep it from being idle (`idleTimeout`), for
     * what only looks from time to time whether anything has changed. One that starts is waited for. None while nobody
     * needs a server: it was ended for idleness, or not used yet, and has nothing new. One that was lost (it died, was
     * given up, or is attached to and went away) is no such server: then they are a use, and bring it back.
     */
    readonly ifAwake: <A, E, R>(
      run: (client: OpenCodeClient) => Effect.Effect<A, E, R>
    ) => Effect.Effect<Option.Option<A>, E, R>
    /** Live events from now on. All listeners share one connection; listening starts no server. */
    readonly events: Stream.Stream<HostEvent>
    /**
     * Runs one prompt. Fails only before `Delivered`, and then the same ids may be given again; afterwards it ends with
     * exactly one `Ended`. A prompt that OpenCode has already is followed, not sent. Interrupting aborts the turn.
     */
    readonly turn: (input: TurnInput) => Stream.Stream<TurnEvent, HostError>
    /**
     * Replies to a request of a turn (`RequestOpened`). `closed`: the agent no longer waits for it, because it was replied
     * to elsewhere or its tool has ended. Nothing was sent to the agent then.
     */
    readonly reply: (request: OpenCodeRequestRef, reply: RequestReply) => Effect.Effect<"replied" | "closed", HostError>
    /** Aborts what the session runs and waits until it is idle (10 s at most, then `Timeout`). */
    readonly abort: (sessionId: string) => Effect.Effect<void, HostError>
  }
>()("@opencode-worker/opencode-host/OpenCodeHost") {
  /**
   * Hosts OpenCode in one directory. Fails early with `InvalidOption`, `DirectoryNotFound`, `BinaryNotFound` or
   * `DirectoryInUse`.
   * Bind the layer to a constant: each call makes another host.
   *
   * @since 0.1.0
   */
  static readonly layer = (options: Options): Layer.Layer<OpenCodeHost, HostError> =>
    Layer.effect(OpenCodeHost, make(options)).pipe(Layer.provide([NodeServices.layer, FetchHttpClient.layer]))
}

const make = Effect.fnUntraced(function* (options: Options) {
  yield* checkOptions(options)
  const directory = yield* resolveDirectory(options.directory)
  const hostId = randomUUID()
  const start =
    options.attach === undefined ? yield* ownServer(options, directory, hostId) : attachServer(options.attach, options)
  const hub = yield* makeHub()
  const { glance, hold, running, use } = yield* makeSupervisor({
    start,
    hub,
    directory,
    restart: options.attach === undefined ? restartPolicy(options.restart) : undefined,
    limits: options.attach === undefined ? options : undefined,
    verify: options.alwaysAsk === true ? (server) => assertAsks(server, directory) : undefined,
    stopTimeout: options.attach === undefined ? options.stopTimeout : 0
  })
  const client = options.alwaysAsk === true ? withoutAlways(makeClient(use, directory)) : makeClient(use, directory)
  const turns = new Map<string, RunningTurn>()
  const abort = (sessionId: string) => abortSession(client, turns, sessionId)
  const scope = yield* Effect.scope
  const background = (effect: Effect.Effect<void>) => Effect.forkIn(effect, scope, { startImmediately: true })
  if (options.start === "eager") yield* Effect.forkScoped(Effect.ignore(running), { startImmediately: true })
  return OpenCodeHost.of({
    hostId,
    directory,
    server: use(({ server }) => Effect.succeed(server)),
    client,
    ifAwake: Effect.fnUntraced(function* (run) {
      const glancing = yield* glance
      return Option.isNone(glancing) ? Option.none() : Option.some(yield* run(makeClient(glancing.value, directory)))
    }),
    events: Stream.scoped(Stream.unwrap(Effect.map(hub.listen(), Stream.fromQueue))),
    turn: (input) =>
      Stream.unwrap(
        Effect.gen(function* () {
          yield* checkTurn(input)
          const { messageId = yield* ascendingId("msg"), partId = yield* ascendingId("prt") } = input
          const turnHost = { client, hold, running, listen: hub.listen, turns, abort, background }
          return runTurn(turnHost, { ...input, messageId, partId })
        })
      ),
    reply: (request, reply) => replyTo(client, request, reply),
    abort
  })
})

const ownServer = Effect.fnUntraced(function* (options: Options, directory: string, hostId: string) {
  const binary = yield* findBinary(options.binary)
  const stateDirectory =
    options.stateDirectory ?? (yield* Effect.orDie(UserDirectories.make().state("opencode-worker")))
  yield* holdDirectory({ stateDirectory, directory, hostId })
  const environment = yield* serverEnvironment(options.environment ?? {})
  const guard = yield* makeGuard(hostId, environment["PATH"] ?? "/usr/bin:/bin")
  const containment = options.contain === false ? Option.none() : yield* makeContainment(hostId)
  const deniedPaths = (options.deniedPaths ?? []).map(makePaths().real)
  return Effect.gen(function* () {
    // It may be gone by the time of a restart, and OpenCode would not say so.
    yield* resolveDirectory(directory)
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
  attach: NonNullable<Options["attach"]>,
  { allowUntestedVersion = false, alwaysAsk = false, deniedPaths = [], projectConfig = "all" }: Options
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
