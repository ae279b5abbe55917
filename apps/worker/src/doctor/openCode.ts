/** Checks of OpenCode: it is started as a worker would, and its database is measured. */
import { stat } from "node:fs/promises"
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"
import { OpenCodeHost, type OpenCodeHostOptions, OwnOpenCode } from "@opencode-worker/opencode-host"
import { Data, Effect } from "effect"
import { bytes, check, type Finding, ok, warning } from "./Finding.ts"

const byHand = "Run opencode serve there to see all of its output, and check --opencode and OPENCODE_BIN."

class NotStarted extends Data.TaggedError("NotStarted")<{ readonly message: string }> {}

/** Starts a server, and stops it. A directory that a running worker holds is no problem. */
const boot = (options: OpenCodeHostOptions) =>
  OpenCodeHost.use(({ server }) => server).pipe(
    Effect.map(({ bootMillis, version }) => ({ version, detail: `${version}, up after ${Math.round(bootMillis)} ms` })),
    Effect.provide(OpenCodeHost.layer(options)),
    Effect.catchReasons("HostError", {
      DirectoryInUse: ({ pid }) => Effect.succeed({ version: null, detail: `hosted by process ${pid}` }),
      StartFailed: ({ message }) => Effect.fail(new NotStarted({ message: `${message} ${byHand}` }))
    })
  )

/** Two versions share one database, and the older one cannot open it after the newer one has migrated it. */
const examineOwn = Effect.fnUntraced(function* (hosted: string | null) {
  const own = yield* OwnOpenCode.find(process.env["PATH"] ?? "")
  if (own === undefined) return []
  const { path, version } = own
  const isBefore = version !== null && hosted !== null && OwnOpenCode.isOlder(version, hosted)
  return isBefore
    ? [
        warning(
          "your opencode",
          `${path} is ${version}, older than the worker's ${hosted}`,
          "Upgrade it (opencode upgrade): the worker's OpenCode migrates the database that both use, and older versions may fail then"
        )
      ]
    : [ok("your opencode", `${path}, ${version ?? "of an unknown version"}`)]
})

const large = 5_000_000_000

const database = Effect.promise(async (): Promise<ReadonlyArray<Finding>> => {
  const given = process.env["XDG_DATA_HOME"] ?? ""
  const file = join(isAbsolute(given) ? given : join(homedir(), ".local/share"), "opencode/opencode.db")
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) return [ok("OpenCode's database", "none yet")]
  const detail = `${bytes(found.size)} in ${file}`
  return [
    found.size < large
      ? ok("OpenCode's database", detail)
      : warning("OpenCode's database", detail, "Delete sessions that you no longer need: opencode session delete")
  ]
})

export const openCodeChecks = (options: OpenCodeHostOptions) => [
  check(
    "OpenCode",
    Effect.flatMap(boot(options), ({ detail, version }) =>
      Effect.map(examineOwn(version), (own): ReadonlyArray<Finding> => [ok("OpenCode", detail), ...own])
    )
  ),
  check("OpenCode's database", database)
]
