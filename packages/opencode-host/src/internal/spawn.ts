/**
 * Starts one `opencode serve` and ends it with everything below it when the scope closes.
 *
 * ```
 * free port → spawn → secrets → "listening on URL" → /global/health ✓ ──────── exited
 *                └─ scope closes: dispose (5 s) → TERM → KILL (3 s) → sweep by mark
 * ```
 */
import { randomBytes } from "node:crypto"
import { createServer } from "node:net"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Option, Redacted, Result, Scope, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import { BinaryUnusable, HostError, StartFailed } from "../HostError.ts"
import type { Binary } from "../OpenCodeServer.ts"
import { look, sweep } from "../Processes.ts"
import { type Containment, killGroup } from "./controlGroup.ts"
import type { Guard } from "./guard.ts"
import { contentVariable, handedOver, type Handover, makeHandover } from "./handover.ts"
import { type Access, defaultUsername, type Instance, health } from "./instance.ts"
import { makeProcessMemory, type ProcessMemory } from "./processMemory.ts"
import { markVariable } from "./processTable.ts"
import type { PreparedProject } from "./projectConfig/prepare.ts"
import { quoteFilter, redact } from "./redact.ts"
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
  readonly handedOver: boolean
}

/** Somebody may take the free port between our asking and OpenCode's listening. */
const portAttempts = 3

/** What an attempt comes to that ends with no server, but is no failure yet. */
type Again =
  /** The process has ended, and somebody else listens where it was to. */
  | { readonly _tag: "PortTaken"; readonly error: HostError }
  /** It listens, and has not taken its secrets as it was to. */
  | { readonly _tag: "SecretsNotTaken" }
/** Lines of output kept for a start error. */
const keptLines = 20

export const spawnServer = Effect.fn("OpenCodeHost.start")(function* (options: SpawnOptions) {
  const password = yield* randomPassword
  const handover = yield* makeHandover({ ...options, password, adopts: Option.isNone(options.containment) })
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(options.timeout)
  for (let count = 1, hidden = true; ; count++) {
    const life = yield* Scope.fork(yield* Effect.scope)
    const port = yield* freePort
    const attempt: Attempt = { ...options, port, password, handover, hidden, deadline }
    const started = yield* Scope.provide(spawnOn(attempt), life)
    if ("server" in started) return started
    yield* Scope.close(life, Exit.void)
    if (started._tag === "SecretsNotTaken" && options.project !== undefined) {
      const problem = "this OpenCode runs no script of ours, so the project's configuration cannot be kept from it"
      return yield* new HostError({ reason: new StartFailed({ problem, output: [] }) })
    }
    if (started._tag === "SecretsNotTaken") {
      yield* Effect.logWarning("This OpenCode takes no secrets from us: the agent's commands can see its password")
      hidden = false
    } else if (count === portAttempts) return yield* started.error
  }
})

interface Attempt extends SpawnOptions {
  readonly port: number
  readonly password: Redacted.Redacted
  readonly handover: Handover
  /** The server is to take its secrets as `handover` says, or is of no use; else its environment has them. */
  readonly hidden: boolean
  /** Epoch ms, for all attempts. */
  readonly deadline: number
}

const spawnOn = Effect.fnUntraced(function* (
  options: Attempt
): Effect.fn.Return<
  Instance | Again,
  HostError,
  ChildProcessSpawner.ChildProcessSpawner | HttpClient.HttpClient | Scope.Scope
> {
  const { deadline, handover, hidden, password: real, port } = options
  const spawnedAt = yield* Clock.currentTimeMillis
  // Should the server not take its secrets, it still is not open to everybody.
  const decoy = yield* randomPassword
  const secrets = JSON.stringify(handover.secrets)
  const { [contentVariable]: _, ...inherited } = options.environment
  const environment: Record<string, string> = {
    ...inherited,
    ...handover.environment,
    ...(hidden ? { ...(yield* handover.taking), OPENCODE_SERVER_PASSWORD: Redacted.value(decoy) } : handover.secrets),
    OPENCODE_DISABLE_AUTOUPDATE: "1",
    [markVariable]: options.hostId
  }
  const output: Array<string> = []
  const failed = (problem: string) => new HostError({ reason: new StartFailed({ problem, output: [...output] }) })

  const unusable = ({ final, problem }: Unusable) =>
    final ? new HostError({ reason: new BinaryUnusable({ path: options.binary.path, problem }) }) : failed(problem)

  const handle = yield* ChildProcess.make(
    options.binary.path,
    ["serve", "--hostname", "127.0.0.1", "--port", String(port)],
    {
      cwd: options.workingDirectory,
      env: environment,
      stdin: hidden ? Stream.make(new TextEncoder().encode(secrets)) : "ignore",
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
      if (line.endsWith(handedOver)) taken = true
      const said = unquoted(line)
      if (said !== undefined) output.push(redact(said, real, environment))
      if (output.length > keptLines) output.shift()
      const url = /listening on (http:\/\/\S+)/.exec(line)?.[1]
      if (url === undefined) return Effect.void
      return Deferred.succeed(listens, {
        url,
        username: defaultUsername,
        password: hidden && !taken ? decoy : real,
        handedOver: taken
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
    // Asked before the sweep ends what the process may have left on that port.
    const portTaken = !(yield* isFree(port))
    yield* Effect.timeoutOption(Fiber.join(drained), "1 second")
    const error = unusable(end)
    return portTaken ? { _tag: "PortTaken", error } : yield* error
  })
  const version = yield* Deferred.await(listens).pipe(
    Effect.flatMap(
      Effect.fnUntraced(function* (access): Effect.fn.Return<string | Again, HostError, HttpClient.HttpClient> {
        if (access.handedOver !== hidden) {
          // An unsupported version is the cause then, and is reported as such.
          yield* health(access, options.allowUntestedVersion).pipe(
            Effect.catchIf(
              ({ reason }) => reason._tag !== "UnsupportedVersion",
              () => Effect.void
            )
          )
          return { _tag: "SecretsNotTaken" }
        }
        if (hidden) yield* refuses({ ...access, password: decoy })
        return yield* health(access, options.allowUntestedVersion)
      })
    ),
    Effect.raceFirst(died),
    Effect.timeoutOrElse({
      duration: Duration.millis(Math.max(0, deadline - spawnedAt)),
      orElse: () => failed(`it was not ready within ${Duration.format(options.timeout)}`)
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
      passwordHidden: hidden,
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

/** A server that forgot its password as it hid it would be open to everybody. */
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
    const dispose = HttpClientRequest.post(new URL("/global/dispose", url))
    yield* HttpClient.execute(HttpClientRequest.basicAuth(dispose, defaultUsername, password)).pipe(
      Effect.flatMap((response) => response.text),
      Effect.timeout(disposeLimit),
      Effect.ignore
    )
  }
  // Before the server ends: what it has adopted loses its parent with it.
  const known = yield* look(hostId, yield* memory.known)
  if (running) yield* Effect.ignore(handle.kill({ killSignal: "SIGTERM", forceKillAfter: killAfter }))
  if (Option.isSome(group)) yield* Effect.promise(() => killGroup(group.value))
  yield* sweep(hostId, known)
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
