/** `opencode-worker serve`: the embedded deployment and its web console, without a worker, until it is stopped. */
import { Deferred, Effect, Layer, Option, Stdio, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { toAppError } from "../AppError.ts"
import { operatorLayer } from "../local/operatorLayer.ts"
import { printLink } from "../local/Console.ts"
import { EmbeddedDeployment } from "../local/EmbeddedDeployment.ts"
import { jsonText } from "../operator/jsonText.ts"
import { atSignals } from "../runMain.ts"
import { type DataFolder, dataFolder } from "../state/DataFolder.ts"
import { isInteractive } from "../terminal/PromptSource.ts"
import { printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { resolveDirectory } from "./shared/directory.ts"
import * as shared from "./shared/flags.ts"
import { listeningFlags, listeningOf } from "./shared/listening.ts"
import { descriptions } from "./descriptions.ts"

const flags = {
  directory: Flag.String("directory").pipe(
    Flag.withAlias("d"),
    Flag.withDescription("The directory whose data folder is served (default: the current directory)"),
    Flag.optional
  ),
  data: shared.data,
  ...listeningFlags,
  printLink: Flag.Boolean("print-pairing-link").pipe(
    Flag.withDescription("Print a link that signs a browser in, even without a terminal"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object when it is ready: { url, console, data }"),
    Flag.withDefault(false)
  )
}
type Flags = Command.Command.Config.Infer<typeof flags>

/** A link at the start, and one more at each Enter. */
const links = Effect.fnUntraced(function* (consoleUrl: string) {
  yield* printLink(consoleUrl)
  if (!(yield* isInteractive)) return
  yield* printLine(screen`Enter prints another link, Ctrl-C stops.`)
  const { stdin } = yield* Stdio.Stdio
  yield* Effect.forkScoped(
    stdin.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach(() =>
        printLink(consoleUrl).pipe(
          Effect.catchTag("ConvexClientError", ({ message }) => printLine(screen`There is no link now: ${message}`))
        )
      )
    )
  )
})

const report = Effect.fnUntraced(function* (folder: DataFolder, { json, printLink: isPrinted }: Flags) {
  const { consoleUrl, url } = yield* EmbeddedDeployment
  if (json) {
    return yield* printLine(jsonText({ url, console: Option.getOrNull(consoleUrl), data: folder.root }))
  }
  yield* printLine(screen`data        ${ScreenText.line(folder.root)}`)
  yield* printLine(screen`deployment  ${url} (start --url ${url} runs a worker for it)`)
  if (Option.isNone(consoleUrl)) return
  yield* printLine(screen`console     ${consoleUrl.value}`)
  const isTerminal = yield* Stdio.Stdio.use(({ stdoutIsTerminal }) => stdoutIsTerminal)
  if (isTerminal || isPrinted) yield* links(consoleUrl.value)
})

export const serve = Command.make(
  "serve",
  flags,
  Effect.fn(
    function* (given) {
      const directory = yield* resolveDirectory(given.directory)
      const listening = yield* listeningOf(given)
      const folder = yield* dataFolder({ data: given.data, demo: false, directory })
      const stopped = yield* Deferred.make<void>()
      // The first one closes all connections after the running function. A second one interrupts this program.
      yield* atSignals(1, Deferred.succeed(stopped, undefined))
      yield* Effect.andThen(report(folder, given), Deferred.await(stopped)).pipe(
        Effect.scoped,
        Effect.provide(Layer.provideMerge(operatorLayer, EmbeddedDeployment.serve(folder, listening)))
      )
    },
    Effect.scoped,
    Effect.mapError(toAppError)
  )
).pipe(Command.withDescription(descriptions.serve))
