import { Config, Effect, Option } from "effect"

/**
 * What a server inherits: enough to find programs, the user's configuration and switches, certificates and proxies. Everything else
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
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy"
] as const

/** An environment variable; an empty one counts as absent. */
export const variable = (name: string): Effect.Effect<Option.Option<string>> =>
  Effect.map(
    Effect.orDie(Config.option(Config.String(name))),
    Option.filter((value) => value !== "")
  )

/** Requests to 127.0.0.1 must not go through a proxy. */
const direct = "127.0.0.1,localhost"

/** The environment of a server, `added` winning over what it inherits. */
export const serverEnvironment = Effect.fnUntraced(function* (added: Readonly<Record<string, string>>) {
  const entries = yield* Effect.forEach(inherited, (name) =>
    Effect.map(variable(name), (value) => [name, value] as const)
  )
  const environment: Record<string, string> = {}
  for (const [name, value] of entries) if (Option.isSome(value)) environment[name] = value.value
  Object.assign(environment, added)
  for (const name of ["NO_PROXY", "no_proxy"]) {
    if (environment[name] !== undefined) environment[name] += `,${direct}`
  }
  return environment
})
