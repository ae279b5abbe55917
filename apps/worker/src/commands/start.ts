/** `opencode-worker start`: runs a worker for a deployment elsewhere until it is stopped. */
import { hostname } from "node:os"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { WorkerEvent, type WorkerState } from "@opencode-worker/worker-fsm"
import { Config, Duration, Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { type Advice, AppError, configError, toAppError } from "../AppError.ts"
import { type DataFolder, dataFolder, dataFolders } from "../state/DataFolder.ts"
import { packageVersion } from "../info/version.ts"
import { hostable } from "./shared/hostable.ts"
import { unlessHopeless } from "../opencode/startup.ts"
import * as PairingCode from "../state/PairingCode.ts"
import { processIdIn } from "../state/ProcessId.ts"
import { proxyFor } from "../proxy.ts"
import { projectConfig } from "../state/ProjectTrust.ts"
import { openCodeLayer } from "../layers.ts"
import { printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { atSignals } from "../runMain.ts"
import { makeWorker } from "../Worker.ts"
import { resolveDirectory } from "./shared/directory.ts"
import { shellEnvironment } from "./shared/environment.ts"
import * as shared from "./shared/flags.ts"
import { isLocal, resolveUrl } from "./shared/url.ts"

const flags = {
  url: shared.url.pipe(Flag.withFallbackConfig(Config.String("OPENCODE_WORKER_URL"))),
  directory: shared.directory,
  allowHome: shared.allowHome,
  data: shared.data,
  permissions: Flag.Literals("permissions", ["careful", "inherit"]).pipe(
    Flag.withDescription(
      "careful: every tool call needs a person's approval, except reads inside the directory. inherit: your OpenCode configuration decides"
    ),
    Flag.withDefault("careful")
  ),
  trustProject: Flag.Boolean("trust-project").pipe(
    Flag.withDescription(
      "Trust the directory's own OpenCode configuration until it changes; it can run code without approval (default: the last choice)"
    ),
    Flag.optional
  ),
  idleTimeout: Flag.String("idle-timeout").pipe(
    Flag.withMetavar("duration"),
    Flag.withSchema(Schema.DurationFromString),
    Flag.withDescription(
      'Stop OpenCode after this idle time, such as "30 minutes"; the next prompt starts it again (default: never)'
    ),
    Flag.optional
  ),
  askTimeout: Flag.String("ask-timeout").pipe(
    Flag.withMetavar("duration"),
    Flag.withDescription(
      'How long a request waits for your answer: "10 minutes" to "20 days", or forever. The time does not count for the turn'
    ),
    Flag.withDefault("24 hours")
  ),
  opencode: shared.opencode,
  allowUntestedVersion: Flag.Boolean("allow-untested-version").pipe(
    Flag.withDescription("Run an OpenCode outside the tested versions, 1.18.x"),
    Flag.withDefault(false)
  ),
  attach: Flag.String("attach").pipe(
    Flag.withDescription(
      "Use the opencode serve at this address, with the password in OPENCODE_SERVER_PASSWORD (and the name in OPENCODE_SERVER_USERNAME), and leave it running"
    ),
    Flag.optional
  ),
  owner: Flag.String("owner").pipe(
    Flag.withMetavar("identity"),
    Flag.withDescription("Serve only this operator: the issuer and subject of their token, as issuer|subject"),
    Flag.optional
  ),
  pairingCodeFile: Flag.String("pairing-code-file").pipe(
    Flag.withMetavar("path"),
    Flag.withDescription("Write the pairing code to this file, readable only by you (default: to the terminal)"),
    Flag.optional
  ),
  printPairingCode: Flag.Boolean("print-pairing-code").pipe(
    Flag.withDescription("Print the pairing code even without a terminal, such as to a service's log"),
    Flag.withDefault(false)
  )
}

type Flags = Command.Command.Config.Infer<typeof flags>

/** Prints a state change of the worker. */
const printState = (state: WorkerState): Effect.Effect<void> => {
  switch (state._tag) {
    case "Ready":
      return printLine(screen`Ready         ${Math.round(process.uptime() * 1000)} ms after the start`)
    case "Recovering":
      return printLine(screen`Trying again  ${state.detail}`)
    case "Paused":
      return printLine(screen`Paused`)
    case "Draining":
      return printLine(screen`Draining      waits up to 30 s for running turns; a further signal stops them`)
    default:
      return Effect.void
  }
}

/** Prints OpenCode's version once it has started. The worker is Ready earlier. */
const printServer = OpenCodeHost.use(({ server }) => server).pipe(
  Effect.flatMap(({ bootMillis, pid, url, version }) =>
    printLine(
      screen`OpenCode      ${version}, ${pid === undefined ? `at ${url}` : `up after ${Math.round(bootMillis)} ms`}`
    )
  ),
  Effect.ignore
)

/** Fails unless it is `forever`, or a duration of 10 minutes to 20 days. */
const askTimeLimit = (given: string) => {
  const limit =
    given === "forever" ? Option.some(Duration.infinity) : Schema.decodeUnknownOption(Schema.DurationFromString)(given)
  return Option.match(Option.filter(limit, Duration.isGreaterThanOrEqualTo(Duration.minutes(10))), {
    onNone: () => configError(`--ask-timeout is ${given}; it takes "10 minutes" to "20 days", or forever.`),
    onSome: Effect.succeed
  })
}

/** Runs the worker until it stops. Fails with the worker's reason unless it stopped on request. */
const serve = Effect.fnUntraced(function* (folder: DataFolder, url: string, given: Flags) {
  const { directory, hostId } = yield* OpenCodeHost
  yield* printLine(
    screen`directory     ${ScreenText.line(directory)}\ndeployment    ${url}\ndata          ${ScreenText.line(folder.root)}`
  )
  const proxy = isLocal(url) ? undefined : proxyFor(url, process.env)
  if (proxy !== undefined) yield* printLine(screen`proxy         ${ScreenText.line(proxy)}`)
  const credentials = folder.worker(directory, url)
  const pairingCode = yield* PairingCode.make({
    url,
    file: given.pairingCodeFile,
    defaultFile: `${credentials}.code`,
    print: given.printPairingCode
  })
  yield* Effect.addFinalizer(() => pairingCode.forget)
  const { lifecycle } = yield* makeWorker({
    machine: hostname(),
    directory,
    credentials,
    privatePaths: yield* dataFolders(folder),
    // Several workers may attach to one server without a common lock.
    processId: Option.isSome(given.attach) ? `attach ${hostId}` : yield* processIdIn(directory),
    owner: Option.getOrUndefined(given.owner),
    about: {
      version: packageVersion,
      permissions: given.permissions,
      environment: Option.isSome(given.attach) ? undefined : yield* shellEnvironment
    },
    requestTimeLimit: yield* askTimeLimit(given.askTimeout),
    // A code that cannot be shown cannot be approved.
    onPairingCode: (code) => Effect.orDie(pairingCode.show(code)),
    onApproved: (owner) =>
      Effect.andThen(pairingCode.forget, printLine(screen`Owner         ${ScreenText.line(owner)}`))
  })
  yield* Effect.forkScoped(Stream.runForEach(lifecycle.changes, printState))
  // The first drains, the second stops at once. A third one interrupts this program.
  yield* atSignals(2, Effect.ignore(lifecycle.send(WorkerEvent.cases.Stop.make({}))))
  yield* Effect.orDie(lifecycle.send(WorkerEvent.cases.Start.make({})))
  const { detail, exitCode } = yield* Effect.raceFirst(lifecycle.stopped, unlessHopeless(printServer))
  if (exitCode !== 0) return yield* new AppError({ text: `The worker stopped: ${detail}`, exitCode })
})

const attachment = Effect.fnUntraced(function* ({ attach, idleTimeout, permissions }: Flags) {
  if (Option.isNone(attach)) return undefined
  const url = attach.value
  if (!isLocal(url)) {
    return yield* configError(
      "--attach takes the address of an opencode serve on this machine, such as http://127.0.0.1:4096."
    )
  }
  if (permissions !== "inherit") {
    return yield* configError(
      "The server that you attach to uses its own permissions: pass --permissions inherit to confirm this."
    )
  }
  if (Option.isSome(idleTimeout)) {
    return yield* configError(
      "This worker cannot stop the server that it attaches to: leave out --idle-timeout, or --attach."
    )
  }
  // A server that was started without a password accepts any.
  const password = yield* Config.Redacted("OPENCODE_SERVER_PASSWORD").pipe(
    Config.withDefault(Redacted.make("")),
    Effect.orDie
  )
  const username = yield* Config.option(Config.String("OPENCODE_SERVER_USERNAME")).pipe(
    Effect.map(Option.filter((name) => name !== "")),
    Effect.map(Option.getOrUndefined),
    Effect.orDie
  )
  return { url: url.replace(/\/+$/, ""), username, password }
})

const hostOptions = Effect.fnUntraced(function* (given: Flags) {
  const { allowUntestedVersion, directory, idleTimeout, opencode, permissions } = given
  return {
    allowUntestedVersion,
    attach: yield* attachment(given),
    directory: yield* resolveDirectory(directory),
    environment: yield* shellEnvironment,
    binary: Option.getOrUndefined(opencode),
    start: "eager",
    idleTimeout: Option.getOrUndefined(idleTimeout),
    alwaysAsk: permissions === "careful"
  } as const
})

const advice: Advice = {
  UnsupportedVersion: (reason) =>
    reason._tag === "UnsupportedVersion" && reason.version.startsWith("1.")
      ? "Or run it with --allow-untested-version."
      : "",
  ProjectUnusable: () => "Or give the project's configuration all effect with --trust-project.",
  ProjectChanged: () => "--trust-project trusts it again, --no-trust-project ignores it.",
  Unauthorized: () => "Set OPENCODE_SERVER_PASSWORD, and OPENCODE_SERVER_USERNAME unless it is opencode."
}

/** With `inherit`, OpenCode decides what it reads. */
const projectChoice = Effect.fnUntraced(function* (
  { permissions, trustProject }: Flags,
  { directory, environment }: Effect.Success<ReturnType<typeof hostOptions>>,
  folder: DataFolder
) {
  if (permissions === "careful") {
    return yield* projectConfig({ directory, environment, file: folder.trust(directory), trust: trustProject })
  }
  if (Option.isNone(trustProject)) return "all" as const
  return yield* configError(
    "With --permissions inherit OpenCode reads the project's configuration anyway: leave out --trust-project, or use --permissions careful."
  )
})

export const start = Command.make(
  "start",
  flags,
  Effect.fn(
    function* (given) {
      const host = yield* hostOptions(given)
      const folder = yield* dataFolder({ data: given.data, demo: false, directory: host.directory })
      const url = yield* resolveUrl(given.url)
      const secret = yield* dataFolders(folder)
      yield* hostable({ directory: host.directory, dataFolders: secret, allowed: given.allowHome })
      // The server that a worker attaches to decides what its tools may read.
      const deniedPaths = host.attach === undefined ? secret : []
      const project = yield* projectChoice(given, host, folder)
      yield* Effect.scoped(serve(folder, url, given)).pipe(
        Effect.provide(
          Layer.merge(ConvexClient.layer({ url }), openCodeLayer({ ...host, deniedPaths, projectConfig: project }))
        )
      )
    },
    Effect.mapError((error) => toAppError(error, advice))
  )
).pipe(Command.withDescription("Run a worker for a Convex deployment until it is stopped"))
