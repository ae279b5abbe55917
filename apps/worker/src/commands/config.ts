/** `opencode-worker config`: examines the configuration of `start`, with the same flags. */
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import { AppError, exitCodes, toAppError } from "../AppError.ts"
import { load, type Loaded, type LoadedDirectory } from "../config/load.ts"
import { withoutAddress } from "../config/withoutAddress.ts"
import { printedWhole, target, wholeJson } from "../operator/output.ts"
import { table } from "../operator/table.ts"
import { dataFolder, dataFolders } from "../state/DataFolder.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { print, printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { resolveDirectory } from "./shared/directory.ts"
import { hostable } from "./shared/hostable.ts"
import { resolveUrl } from "./shared/url.ts"
import { loadOptions, startFlags } from "./start.ts"
import { descriptions } from "./descriptions.ts"

/** Variables whose values are never shown. */
const secrets = ["OPENCODE_SERVER_PASSWORD", "OPENCODE_WORKER_TOKEN", "OTEL_EXPORTER_OTLP_HEADERS"]

interface Row {
  readonly directory: string | null
  readonly name: string
  readonly value: unknown
  readonly origin: string
}

const rowsOf = (
  directory: string | null,
  values: Readonly<Record<string, unknown>>,
  origins: Readonly<Record<string, string>>
): ReadonlyArray<Row> =>
  Object.entries(values).map(([name, value]) => ({
    directory,
    name,
    value: typeof value === "string" ? withoutAddress(value) : (value ?? null),
    origin: origins[name] ?? "default"
  }))

const allRows = ({ directories, process: values, processOrigins }: Loaded): ReadonlyArray<Row> => [
  ...rowsOf(null, values, processOrigins),
  ...secrets.flatMap((name) =>
    (process.env[name] ?? "") === "" ? [] : [{ directory: null, name, value: "(set, hidden)", origin: name }]
  ),
  ...directories.flatMap(({ origins, values: own }) => rowsOf(own.directory, own, origins))
]

const whole = wholeJson("Print an array of { directory, name, value, origin }; directory is null for the process")

const printConfig = Command.make(
  "print",
  { whole, start: startFlags },
  Effect.fn(
    function* ({ start: given, whole: asked }) {
      const loaded = yield* load(yield* loadOptions(given))
      const rows = allRows(loaded)
      if (yield* printedWhole(rows, asked)) return
      const columns = [
        { name: "SETTING", value: ({ name }: Row) => name },
        {
          name: "VALUE",
          value: ({ value }: Row) => (value === null ? "-" : typeof value === "string" ? value : JSON.stringify(value)),
          shrinks: true
        },
        { name: "ORIGIN", value: ({ origin }: Row) => origin, shrinks: true }
      ]
      const shown = yield* target
      for (const [directory, own] of Map.groupBy(rows, (row) => row.directory)) {
        const title = directory === null ? screen`The process` : ScreenText.line(directory)
        yield* printLine(shown.style.strong(title))
        yield* print(table(columns, own, shown))
      }
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription("Print each setting with its origin; secrets are hidden"))

/** The checks of `start` that need neither a connection nor OpenCode. */
const examine = Effect.fnUntraced(function* ({ values }: LoadedDirectory) {
  const directory = yield* resolveDirectory(Option.some(values.directory))
  if (values.url === undefined) {
    return yield* new AppError({ text: "The deployment is missing: set url.", exitCode: exitCodes.Configuration })
  }
  yield* resolveUrl(values.url)
  const folder = yield* dataFolder({ data: Option.fromUndefinedOr(values.data), demo: false, directory })
  yield* hostable({ directory, dataFolders: yield* dataFolders(folder), allowed: values.allowHome === true })
})

const check = Command.make(
  "check",
  startFlags,
  Effect.fn(
    function* (given) {
      const { directories, file } = yield* load(yield* loadOptions(given))
      const { style } = yield* target
      if (file !== undefined) yield* printLine(screen`ok       ${ScreenText.line(file)}`)
      let problems = 0
      for (const entry of directories) {
        const name = ScreenText.line(entry.values.directory)
        const problem = yield* Effect.match(examine(entry), {
          onSuccess: () => undefined,
          onFailure: (error) => toAppError(error).text
        })
        if (problem !== undefined) problems += 1
        yield* printLine(
          problem === undefined
            ? screen`ok       ${name}`
            : screen`${style.alarm(screen`problem`)}  ${name}: ${ScreenText.indent(screen`${problem}`, "         ")}`
        )
      }
      if (problems === 0) return
      const text = problems === 1 ? "1 directory cannot be hosted." : `${problems} directories cannot be hosted.`
      return yield* new AppError({ text, exitCode: exitCodes.Configuration })
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription("Check the configuration file and the directories; exit code 78 if there is a problem"))

export const config = Command.make("config").pipe(
  Command.withDescription(descriptions.config),
  Command.withSubcommands([check, printConfig])
)
