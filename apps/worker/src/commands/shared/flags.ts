/** Flags that more than one command takes. */
import { Config } from "effect"
import { Flag } from "effect/cli"

export const data = Flag.String("data").pipe(
  Flag.withDescription("Where sessions and keys are kept (default: ~/.local/state/opencode-worker/<directory>)"),
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
  Flag.withDescription("The Convex deployment, as https://happy-otter-123.convex.cloud (or OPENCODE_WORKER_URL)"),
  Flag.withFallbackConfig(Config.String("OPENCODE_WORKER_URL"))
)

export const demo = Flag.Boolean("demo").pipe(
  Flag.withDescription("The offline demo: a scripted model, a sample project, and its own OpenCode home"),
  Flag.withDefault(false)
)

export const allowHome = Flag.Boolean("allow-home").pipe(
  Flag.withDescription(
    "Host your home directory, the data folder, or a directory that contains one of them. The agent can then read every file in it without approval, including SSH keys and API keys"
  ),
  Flag.withDefault(false)
)
