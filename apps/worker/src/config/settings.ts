/** All settings of `start`: flags, variables and the configuration file are derived from these. */
import { Duration, Option, Schema } from "effect"
import { parseAddress } from "../health/address.ts"
import { budgetOf, refusedBudget } from "./budget.ts"
import { choice, type Setting, text, toggle, type Values } from "./Setting.ts"

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `5m`, `"5 minutes"`, or `forever`. */
export const durationOf = (given: string): Option.Option<Duration.Duration> => {
  if (given === "forever") return Option.some(Duration.infinity)
  const [, count = "", unit = ""] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(given) ?? []
  const size = units[unit]
  return size === undefined
    ? Schema.decodeUnknownOption(Schema.DurationFromString)(given)
    : Option.some(Duration.millis(Number(count) * size))
}

const duration = (description: string, least: Duration.Input, takes: string, fallback?: string): Setting<string> =>
  text(description, {
    metavar: "duration",
    ...(fallback !== undefined && { fallback }),
    check: {
      accepts: (given) =>
        Option.exists(durationOf(given), Duration.isGreaterThanOrEqualTo(Duration.fromInputUnsafe(least))),
      message: (given) => `"${given}" is not accepted: it takes ${takes}.`
    }
  })

/** Of one directory. */
export const directorySettings = {
  url: text("The Convex deployment, as https://happy-otter-123.convex.cloud", { metavar: "url" }),
  data: text("Where sessions and keys are kept (default: ~/.local/state/opencode-worker/<directory>)"),
  permissions: choice(
    "careful: every tool call needs a person's approval, except reads inside the directory. inherit: your OpenCode configuration decides (default: careful)",
    ["careful", "inherit"],
    "careful"
  ),
  trustProject: toggle(
    "Trust the directory's own OpenCode configuration until it changes; it can run code without approval (default: the last choice)"
  ),
  idleTimeout: duration(
    'Stop OpenCode after this idle time, such as 30m or "30 minutes"; the next prompt starts it again (default: never)',
    "1 second",
    "a time such as 30m"
  ),
  askTimeout: duration(
    'How long a request waits for your answer: "10 minutes" to "20 days", or forever (default: "24 hours"). The time does not count for the turn',
    "10 minutes",
    '"10 minutes" to "20 days", or forever',
    "24 hours"
  ),
  budget: text(
    "Stop a turn whose use, with that of its sub-agents, exceeds this: 2USD, 500000tokens, or both with a comma (default: none)",
    {
      metavar: "amount",
      check: {
        accepts: (given) => Option.isSome(budgetOf(given)),
        message: refusedBudget
      }
    }
  ),
  opencode: text("The OpenCode binary (default: OPENCODE_BIN, the installed package, PATH)"),
  allowUntestedVersion: toggle(
    "Run an OpenCode 1 that was not tested (1.18.20 or a later 1.18 was), although it lacks operations",
    false
  ),
  attach: text(
    "Use the opencode serve at this address, with the password in OPENCODE_SERVER_PASSWORD (and the name in OPENCODE_SERVER_USERNAME), and leave it running"
  ),
  attachable: toggle(
    "Let opencode-worker attach open OpenCode's own interface on this worker; every program of your user can then reach it",
    false
  ),
  owner: text("Serve only this operator: the issuer and subject of their token, as issuer|subject", {
    metavar: "identity"
  }),
  pairingCodeFile: text("Write the pairing code to this file, readable only by you (default: to the terminal)", {
    metavar: "path"
  }),
  printPairingCode: toggle("Print the pairing code even without a terminal, such as to a service's log", false),
  allowShell: toggle(
    "Let operators run shell commands on this machine (sessions shell), without approval and with all rights of your user",
    false
  ),
  allowHome: toggle(
    "Host your home directory, the data folder, or a directory that contains one of them. The agent can then read every file in it without approval, including SSH keys and API keys",
    false
  )
}

/** Where OpenCode works. It is no part of the defaults in the file: each entry of `directories` names its own. */
export const place = {
  directory: text("Where OpenCode works (default: the current directory)", { alias: "d" })
}

/** Of the whole process. */
export const processSettings = {
  healthListen: text("Serve /healthz, /readyz and /metrics here: 127.0.0.1:9464, or unix:/path/of.sock", {
    metavar: "address",
    check: {
      accepts: (given) => parseAddress(given) !== undefined,
      message: (given) =>
        `"${given}" is not a loopback address with a port, such as 127.0.0.1:9464, or unix:/path/of.sock.`
    }
  }),
  logFormat: choice(
    "pretty: lines for people. json: one object per line (default: pretty at a terminal, otherwise json)",
    ["pretty", "json"]
  ),
  logLevel: choice("Log lines of this level and above", ["all", "debug", "info", "warn", "error", "none"], "info")
}

export type DirectoryValues = Values<typeof directorySettings> & { readonly directory: string }
export type ProcessValues = Values<typeof processSettings>
