/**
 * Flags that more than one command takes.
 *
 * @since 0.1.0
 */
import { Effect, FileSystem, Option, Path } from "effect"
import { Flag } from "effect/cli"
import { configuration } from "../AppError.ts"
import { refusedProxy } from "../proxy.ts"

export const data = Flag.String("data").pipe(
  Flag.withDescription("Folder for the deployment and the worker's identity (default: below your state directory)"),
  Flag.optional
)

export const directory = Flag.String("directory").pipe(
  Flag.withAlias("d"),
  Flag.withDescription("Where OpenCode works (default: the current directory)"),
  Flag.optional
)

export const opencode = Flag.String("opencode").pipe(
  Flag.withDescription("The OpenCode binary (default: OPENCODE_BIN, the installed package, PATH)"),
  Flag.optional
)

export const url = Flag.String("url").pipe(
  Flag.withMetavar("url"),
  Flag.withDescription("The Convex deployment, as https://happy-otter-123.convex.cloud (or OPENCODE_WORKER_URL)")
)

export const demo = Flag.Boolean("demo").pipe(
  Flag.withDescription("The offline demo: a scripted model, a sample project, and an OpenCode home of its own"),
  Flag.withDefault(false)
)

export const allowHome = Flag.Boolean("allow-home").pipe(
  Flag.withDescription(
    "Host your home directory, the data folder, or a directory that contains one of them. The agent then reads every file in it without asking, SSH keys and API keys too"
  ),
  Flag.withDefault(false)
)

/** The directory given, or the current one: absolute, without symbolic links. */
export const resolveDirectory = Effect.fnUntraced(function* (given: Option.Option<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const wanted = path.resolve(Option.getOrElse(given, () => "."))
  const info = yield* Effect.option(fs.stat(wanted))
  if (Option.isNone(info)) {
    return yield* configuration(
      `The directory ${wanted} does not exist: create it, or give another one with --directory.`
    )
  }
  if (info.value.type !== "Directory") {
    return yield* configuration(`${wanted} is not a directory: give one with --directory.`)
  }
  return yield* fs.realPath(wanted)
})

/** All that the user's shell has, so that OpenCode finds the keys and programs that it finds there. */
export const shellEnvironment = Effect.sync(() => {
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value
  return environment
})

const local = new Set(["127.0.0.1", "localhost", "[::1]"])

/** Whether it is an HTTP address of this machine, without credentials. */
export const isLocal = (address: string): boolean => {
  const parsed = URL.canParse(address) ? new URL(address) : undefined
  return parsed?.protocol === "http:" && parsed.username === "" && local.has(parsed.hostname)
}

/** The address of a deployment. A worker's secret travels to it, so beyond this machine it has to be encrypted. */
export const resolveUrl = Effect.fnUntraced(function* (given: string) {
  const parsed = URL.canParse(given) ? new URL(given) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    return yield* configuration(
      "--url is not the address of a deployment: it looks like https://happy-otter-123.convex.cloud."
    )
  }
  if (parsed.username !== "" || parsed.password !== "") {
    return yield* configuration("--url holds a user name or a password: leave them out, a worker pairs by its code.")
  }
  if (parsed.protocol === "http:" && !local.has(parsed.hostname)) {
    return yield* configuration(
      `${parsed.host} is not this machine: give its https address, so that nobody on the way reads the worker's secret.`
    )
  }
  const refused = local.has(parsed.hostname) ? undefined : refusedProxy(parsed.href, process.env)
  if (refused !== undefined) return yield* configuration(refused)
  return parsed.href.replace(/\/+$/, "")
})
