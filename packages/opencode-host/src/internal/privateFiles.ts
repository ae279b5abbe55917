/** What a server is given as files that only this user can read: its environment is shown to every tool. */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Effect, Option, Schema } from "effect"
import { alwaysAsk } from "./alwaysAsk.ts"
import type { Guard } from "./guard.ts"

/** An OpenCode plugin: commands of the agent see no password. Other plugins still need it to reach their server. */
const hidePassword = `export const HidePassword = async () => ({
  "shell.env": async (_, output) => {
    output.env.OPENCODE_SERVER_PASSWORD = ""
  }
})
`

/** Writes the files, for as long as the scope lives, and gives the variables that point to them. */
export const privateFiles = Effect.fnUntraced(function* (options: {
  readonly environment: Readonly<Record<string, string>>
  readonly config: Readonly<Record<string, unknown>> | undefined
  readonly alwaysAsk: ReadonlyArray<string>
  readonly guard: Guard
}) {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "opencode-host-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
  )
  yield* options.guard.remove(folder)
  const write = (name: string, content: string) => {
    const path = join(folder, name)
    return Effect.as(
      Effect.promise(() => writeFile(path, content, { mode: 0o600 })),
      path
    )
  }
  const plugins = [yield* write("hide-password.js", hidePassword)]
  if (options.alwaysAsk.length > 0) plugins.push(yield* write("always-ask.js", alwaysAsk(options.alwaysAsk)))
  const OPENCODE_CONFIG_CONTENT = withPlugins(options.environment["OPENCODE_CONFIG_CONTENT"], plugins)
  return options.config === undefined
    ? { OPENCODE_CONFIG_CONTENT }
    : { OPENCODE_CONFIG_CONTENT, OPENCODE_CONFIG: yield* write("opencode.json", JSON.stringify(options.config)) }
})

const Content = Schema.Record(Schema.String, Schema.Unknown)
const Plugins = Schema.Array(Schema.Unknown)
const decodeContent = Schema.decodeUnknownOption(Schema.fromJsonString(Content))
const decodePlugins = Schema.decodeUnknownOption(Plugins)

/** OpenCode adds the plugins named here to those of the user's own configuration. */
const withPlugins = (content: string | undefined, files: ReadonlyArray<string>): string => {
  const given = Option.getOrElse(decodeContent(content), (): typeof Content.Type => ({}))
  const plugins = Option.getOrElse(decodePlugins(given["plugin"]), () => [])
  return JSON.stringify({ ...given, plugin: [...plugins, ...files.map((file) => pathToFileURL(file).href)] })
}
