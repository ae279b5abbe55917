import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * The variables that a server inherits: enough to find programs, the user's configuration and switches, certificates and proxies. Everything else
 * in our environment stays with us, since tools of the agent see all that the server has.
 */
const inherited = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "TMPDIR",
  "TZ",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "XDG_STATE_HOME",
  "XDG_CACHE_HOME",
  "XDG_RUNTIME_DIR",
  "OPENCODE_CONFIG",
  "OPENCODE_CONFIG_DIR",
  "OPENCODE_DISABLE_DEFAULT_PLUGINS",
  "OPENCODE_DISABLE_LSP_DOWNLOAD",
  "OPENCODE_DISABLE_MODELS_FETCH",
  "OPENCODE_MODELS_URL",
  "npm_config_offline",
  "npm_config_registry",
  "SSH_AUTH_SOCK",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "all_proxy",
  "no_proxy"
] as const

/**
 * Variables that never reach a server, also when `environment` has them, each with the reason. `*` stands for any end of
 * a name. `OPENCODE_PERMISSION`, `OPENCODE_CONFIG*` and `NODE_OPTIONS` pass: the first two are the user's configuration,
 * which `alwaysAsk` makes stricter, and OpenCode's runtime ignores the third, which builds of the agent may need.
 */
export const withheld: ReadonlyArray<readonly [name: string, reason: string]> = [
  ["OPENCODE_SERVER_*", "the name and password of the user's own server: ours has its own"],
  ["OPENCODE_WORKER_*", "tokens of the worker, which its agent must not have"],
  ["OPENCODE_HOST_ID", "the mark of another host"],
  ["OPENCODE_PID", "names another server, when this process runs below one"],
  ["OPENCODE_CLIENT", "another kind of client: OpenCode then leaves out the question tool"],
  ["OPENCODE_PURE", "switches plugins off, and with them what asks for permissions"],
  ["OPENCODE_PRINT_LOGS", "mixes logs into the output in which the address is read"],
  ["OPENCODE_WORKSPACE_ID", "makes the server a part of another one"],
  ["OPENCODE_EXPERIMENTAL", "switches on all experiments, the next two among them"],
  ["OPENCODE_EXPERIMENTAL_WORKSPACES", "another way to route requests by directory"],
  ["OPENCODE_EXPERIMENTAL_EVENT_SYSTEM", "other events"],
  ["BUN_BE_BUN", "turns OpenCode into its runtime"],
  ["BUN_OPTIONS", "arguments for OpenCode's runtime"],
  ["BUN_INSPECT*", "a debugger in the server; the host uses one of them itself"],
  ["BUN_CONFIG_VERBOSE_FETCH", "prints requests, credentials among them"],
  ["BUN_CONFIG_MAX_HTTP_REQUESTS", "a limit that the runtime refuses to start with, where it is wrong"],
  ["BUN_FEATURE_FLAG_*", "parts of the runtime that the host relies on"],
  ["BUN_JSC_*", "options of the runtime's engine, which ends at a wrong one"],
  ["BUN_TMPDIR", "the host's own: what the runtime unpacks is removed with the server"],
  ["NODE_CHANNEL_*", "a pipe of this process, when it was forked by Node.js"],
  ["NODE_UNIQUE_ID", "makes a worker of a Node.js cluster"]
]

const isWithheld = (name: string) =>
  withheld.some(([pattern]) => (pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern))

/** An environment variable; an empty one counts as absent. */
export const variable = (name: string): Effect.Effect<Option.Option<string>> =>
  Effect.flatMap(ConfigProvider.ConfigProvider, (provider) => provider.load([name])).pipe(
    Effect.map((node) =>
      Option.filter(Option.fromNullishOr(node?._tag === "Value" ? node.value : undefined), isFilled)
    ),
    Effect.orDie
  )

const isFilled = (value: string) => value !== ""

/** Requests to this machine must not go through a proxy. */
const direct = ["127.0.0.1", "localhost", "::1"]

/**
 * The value of `NO_PROXY` that excludes this machine from proxies too. `*` does so already.
 */
export const withoutLoopback = (given: string | undefined): string => {
  const names = (given ?? "").split(/[\s,]+/).filter((name) => name !== "")
  return names.includes("*") ? "*" : [...new Set([...names, ...direct])].join(",")
}

/** The environment of a server, `added` winning over what it inherits. */
export const serverEnvironment = Effect.fnUntraced(function* (added: Readonly<Record<string, string>>) {
  const entries = yield* Effect.forEach(inherited, (name) =>
    Effect.map(variable(name), (value) => [name, value] as const)
  )
  const environment: Record<string, string> = {}
  for (const [name, value] of entries) if (Option.isSome(value)) environment[name] = value.value
  for (const [name, value] of Object.entries(added)) if (!isWithheld(name)) environment[name] = value
  // Where one of them is set, programs differ in which they read; one that is blank does not hide the other.
  const given = [environment["no_proxy"], environment["NO_PROXY"]].find((names) => (names ?? "").trim() !== "")
  const proxied = Object.keys(environment).some((name) => /^(https?|all|no)_proxy$/i.test(name))
  if (proxied) environment["NO_PROXY"] = environment["no_proxy"] = withoutLoopback(given)
  return environment
})
