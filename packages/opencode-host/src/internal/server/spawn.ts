/**
 * Starts one `opencode serve` and ends it with everything below it when the scope closes.
 *
 * ```
 * free port → spawn → secrets → "listening on URL" → /global/health ✓ ──────── exited
 *                └─ scope closes: dispose (5 s) → TERM → KILL (3 s) → kill all by host id
 * ```
 */
import { randomBytes } from "node:crypto"
import { createServer } from "node:net"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { HostError } from "../../HostError.ts"
import { BinaryUnusable, StartFailed } from "../../HostErrorReason.ts"
import type { Binary } from "../../OpenCodeServer.ts"
import { look, killAll } from "../process/processes.ts"
import { type Containment, killGroup } from "../process/controlGroup.ts"
import type { Guard } from "../process/guard.ts"
import { contentVariable, preloadReadyMarker, type SecretPreload, makeSecretPreload } from "./secretPreload.ts"
import { type Access, send } from "./http.ts"
import { defaultUsername, type Instance, health } from "./instance.ts"
import { makeProcessMemory, type ProcessMemory } from "../process/processMemory.ts"
import { hostIdVariable } from "../process/processTable.ts"
import type { PreparedProject } from "../projectConfig/prepare.ts"
import { quoteFilter, redact } from "../redact.ts"
import { signalProblem, spawnProblem, type Unusable } from "./unusable.ts"

export interface SpawnOptions {
  readonly binary: Binary
  readonly workingDirectory: string
  readonly project: PreparedProject["plugin"]
  readonly hostId: string
  readonly guard: Guard
  readonly containment: Option.Option<Containment>
  /** The whole environment, without what is ours. */
  readonly environment: Readonly<Record<string, string>>
  readonly config: Readonly<Record<string, unknown>> | undefined
  readonly alwaysAsk: boolean
  /** Absolute, without symbolic links. */
  readonly deniedPaths: ReadonlyArray<string>
  readonly timeout: Duration.Duration
  readonly allowUntestedVersion: boolean
}

interface Listening extends Access {
  /** The server has read its secrets from standard input. */
  readonly hasSecrets: boolean
}

/** Another process may take the free port before OpenCode listens on it. */
const portAttempts = 3

/** An attempt that ended without a server and may be repeated. */
type Again =
  /** The process has ended, and another process listens on its port. */
  | { readonly _tag: "PortTaken"; readonly error: HostError }
  /** It listens, and has not read its secrets from standard input. */
  | { readonly _tag: "SecretsNotTaken" }
/** Lines of output kept for a start error. */
const keptLines = 20

export const spawnServer = Effect.fn("OpenCodeHost.start")(function* (options: SpawnOptions) {
  const password = yield* randomPassword
  const preload = yield* makeSecretPreload({ ...options, password, adopts: Option.isNone(options.containment) })
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(options.timeout)
  for (let count = 1, secretsHidden = true; ; count++) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const port = yield* freePort
    const attempt: Attempt = { ...options, port, password, preload, secretsHidden, deadline }
    const started = yield* Scope.provide(spawnOn(attempt), scope)
    if ("server" in started) return started
    yield* Scope.close(scope, Exit.void)
    if (started._tag === "SecretsNotTaken" && options.project !== undefined) {
      const problem = "this OpenCode runs no script of ours, so the project's configuration cannot be kept from it"
      return yield* new HostError({ reason: new StartFailed({ problem, output: [] }) })
    }
    if (started._tag === "SecretsNotTaken") {
      yield* Effect.logWarning("This OpenCode takes no secrets from us: the agent's commands can see its password")
      secretsHidden = false
    } else if (count === portAttempts) return yield* started.error
  }
})

interface Attempt extends SpawnOptions {
  readonly port: number
  readonly password: Redacted.Redacted
  readonly preload: SecretPreload
  /** The server is to take its secrets as `preload` says, or is of no use; else its environment has them. */
  readonly secretsHidden: boolean
  /** Epoch ms, for all attempts. */
  readonly deadline: number
}

const spawnOn = Effect.fnUntraced(function* (
  options: Attempt
): Effect.fn.Return<Instance | Again, HostError, ChildProcessSpawner.ChildProcessSpawner | Scope.Scope> {
  const { deadline, preload, secretsHidden, password: real, port } = options
  const spawnedAt = yield* Clock.currentTimeMillis
  // A server that does not read its secrets still requires a password.
  const placeholderPassword = yield* randomPassword
  const secrets = JSON.stringify(preload.secrets)
  const { [contentVariable]: _, ...inherited } = options.environment
  const environment: Record<string, string> = {
    ...inherited,
    ...preload.environment,
    ...(secretsHidden
      ? { ...(yield* preload.preloadEnv), OPENCODE_SERVER_PASSWORD: Redacted.value(placeholderPassword) }
      : preload.secrets),
    OPENCODE_DISABLE_AUTOUPDATE: "1",
    [hostIdVariable]: options.hostId
  }
  const output: Array<string> = []
  const failed = (problem: string, timedOut = false) =>
    new HostError({ reason: new StartFailed({ problem, output: [...output], timedOut }) })

  const unusable = ({ final, problem }: Unusable) =>
    final ? new HostError({ reason: new BinaryUnusable({ path: options.binary.path, problem }) }) : failed(problem)

  const handle = yield* ChildProcess.make(
    options.binary.path,
    ["serve", "--hostname", "127.0.0.1", "--port", String(port)],
    {
      cwd: options.workingDirectory,
      env: environment,
      stdin: secretsHidden ? Stream.make(new TextEncoder().encode(secrets)) : "ignore",
      detached: true,
      forceKillAfter: killAfter
    }
  ).pipe(Effect.mapError((error) => unusable(spawnProblem(error))))
  const listens = yield* Deferred.make<Listening>()
  yield* options.guard.watch(handle.pid)
  const group = Option.isNone(options.containment)
    ? Option.none<string>()
    : yield* options.containment.value.enclose(handle.pid)
  if (Option.isSome(group)) yield* options.guard.group(group.value)
  const memory = yield* makeProcessMemory(options.hostId, options.guard.know)
  yield* Effect.addFinalizer(() => stop(handle, listens, { hostId: options.hostId, group, memory }))

  let taken = false
  const unquoted = quoteFilter()
  // Drained for the process's whole life: an undrained pipe blocks it after 64 KiB.
  const drained = yield* handle.all.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => {
      if (line.endsWith(preloadReadyMarker)) taken = true
      const said = unquoted(line)
      if (said !== undefined) output.push(redact(said, real, environment))
      if (output.length > keptLines) output.shift()
      const url = /listening on (http:\/\/\S+)/.exec(line)?.[1]
      if (url === undefined) return Effect.void
      return Deferred.succeed(listens, {
        url,
        username: defaultUsername,
        password: secretsHidden && !taken ? placeholderPassword : real,
        hasSecrets: taken
      })
    }),
    Effect.ignore,
    Effect.forkScoped
  )
  const exited = yield* Deferred.make<Unusable>()
  yield* handle.exitCode.pipe(
    Effect.match({
      onSuccess: (code): Unusable => ({ problem: `it exited with code ${code}`, final: false }),
      onFailure: signalProblem
    }),
    Effect.flatMap((end) => Deferred.succeed(exited, end)),
    Effect.forkScoped
  )

  // Its last words may arrive after its end; a tool that it left behind may keep the pipe open.
  const died = Effect.gen(function* (): Effect.fn.Return<Again, HostError> {
    const end = yield* Deferred.await(exited)
    // Asked before `killAll` ends what the process may have left on that port.
    const portTaken = !(yield* isFree(port))
    yield* Effect.timeoutOption(Fiber.join(drained), "1 second")
    const error = unusable(end)
    return portTaken ? { _tag: "PortTaken", error } : yield* error
  })
  const version = yield* Deferred.await(listens).pipe(
    Effect.flatMap(
      Effect.fnUntraced(function* (access): Effect.fn.Return<string | Again, HostError> {
        if (access.hasSecrets !== secretsHidden) {
          // An unsupported version is the cause then, and is reported as such.
          yield* health(access, options.allowUntestedVersion).pipe(
            Effect.catchIf(
              ({ reason }) => reason._tag !== "UnsupportedVersion",
              () => Effect.void
            )
          )
          return { _tag: "SecretsNotTaken" }
        }
        if (secretsHidden) yield* refuses({ ...access, password: placeholderPassword })
        return yield* health(access, options.allowUntestedVersion)
      })
    ),
    Effect.raceFirst(died),
    Effect.timeoutOrElse({
      duration: Duration.millis(Math.max(0, deadline - spawnedAt)),
      orElse: () => failed(`it was not ready within ${Duration.format(options.timeout)}`, true)
    })
  )
  if (typeof version !== "string") return version
  const startedAt = yield* Clock.currentTimeMillis
  const { password, url } = yield* Deferred.await(listens)
  return {
    server: {
      url,
      username: defaultUsername,
      password,
      passwordHidden: secretsHidden,
      version,
      pid: handle.pid,
      binary: options.binary,
      bootMillis: startedAt - spawnedAt,
      startedAt
    },
    exited: Effect.map(Deferred.await(exited), ({ problem }) => problem),
    notice: Option.isSome(group) ? Effect.void : memory.notice,
    kill: Effect.ignore(handle.kill({ killSignal: "SIGKILL" }))
  }
})

/** Fails if the server lost its password when it hid it. */
const refuses = Effect.fnUntraced(function* (access: Access) {
  const answer = yield* Effect.result(health(access, true))
  if (Result.isFailure(answer) && answer.failure.reason._tag === "Unauthorized") return
  return yield* new HostError({ reason: new StartFailed({ problem: "it answers without its password", output: [] }) })
})

/** Dispose ends tools and stores what was streamed; SIGTERM alone loses both. With a stubborn tool it took 4.1 s. */
const disposeLimit = "5 seconds"
/** OpenCode ends within 0.1 s of SIGTERM, 2.3 s at worst; then SIGKILL. */
const killAfter = "3 seconds"

interface StartedProcesses {
  readonly hostId: string
  readonly group: Option.Option<string>
  readonly memory: ProcessMemory
}

const stop = Effect.fnUntraced(function* (
  handle: ChildProcessSpawner.ChildProcessHandle,
  listens: Deferred.Deferred<Listening>,
  { group, hostId, memory }: StartedProcesses
) {
  const running = yield* Effect.orElseSucceed(handle.isRunning, () => false)
  if (running && Deferred.isDoneUnsafe(listens)) {
    const { password, url } = yield* Deferred.await(listens)
    const access = { url, username: defaultUsername, password }
    yield* send(access, { operation: "dispose", path: "/global/dispose", method: "POST" }).pipe(
      Effect.flatMap((response) => Effect.promise(() => response.text())),
      Effect.timeout(disposeLimit),
      Effect.ignoreCause
    )
  }
  // Before the server ends: what it has adopted loses its parent with it.
  const known = yield* look(hostId, yield* memory.known)
  if (running) yield* Effect.ignore(handle.kill({ killSignal: "SIGTERM", forceKillAfter: killAfter }))
  if (Option.isSome(group)) yield* Effect.promise(() => killGroup(group.value))
  yield* killAll(hostId, known)
})

/** 192 bits. Not from `Random`: that one is predictable. */
const randomPassword = Effect.sync(() =>
  Redacted.make(randomBytes(24).toString("base64url"), { label: "OpenCode password" })
)

const listening = (port: number) =>
  Effect.callback<number, Error>((resume) => {
    const server = createServer()
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(port, "127.0.0.1", () => {
      const address = server.address()
      const taken = typeof address === "object" && address !== null ? address.port : port
      server.close(() => resume(Effect.succeed(taken)))
    })
  })

/** OpenCode's own `--port 0` takes 4096 when that is free, which is where the user's own server would want to be. */
const freePort = Effect.orDie(listening(0))

const isFree = (port: number) => Effect.match(listening(port), { onSuccess: () => true, onFailure: () => false })
