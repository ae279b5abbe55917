/**
 * The proxies of the environment, for the requests of this process.
 *
 * Node.js uses them only with `NODE_USE_ENV_PROXY`, and then for loopback too, which would send OpenCode's password to them.
 * This module always uses them for other machines, unless `NODE_USE_ENV_PROXY=0`, and never for this machine.
 *
 * It loads the other modules only if there is a proxy: `node:http` alone takes as long as the rest of a short command.
 */
type Environment = Readonly<Record<string, string | undefined>>

/** The lower-case name wins, as in curl; an empty value counts as absent. */
const read = (environment: Environment, name: string): string | undefined =>
  [environment[name], environment[name.toUpperCase()]]
    .map((value) => value?.trim())
    .find((value) => value !== "" && value !== undefined)

/** The proxy in a variable, or `null` if it cannot be used. Without a scheme it is an HTTP proxy, as in curl. */
const proxyIn = (environment: Environment, name: "http_proxy" | "https_proxy"): URL | null | undefined => {
  const given = read(environment, name)
  if (given === undefined) return undefined
  try {
    const proxy = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`)
    decodeURIComponent(proxy.username + proxy.password)
    return /^https?:$/.test(proxy.protocol) ? proxy : null
  } catch {
    return null
  }
}

/** Call it before the first request. A proxy that cannot be used is ignored: see `refusedProxy`. */
export const useProxies = async (environment: NodeJS.ProcessEnv): Promise<void> => {
  const proxies = { http_proxy: proxyIn(environment, "http_proxy"), https_proxy: proxyIn(environment, "https_proxy") }
  if (proxies.http_proxy === undefined && proxies.https_proxy === undefined) return
  const { withoutLoopback } = await import("@opencode-worker/opencode-host")
  const no_proxy = withoutLoopback(read(environment, "no_proxy"))
  environment["NO_PROXY"] = environment["no_proxy"] = no_proxy
  if (environment["NODE_USE_ENV_PROXY"] === "0") return
  const { setGlobalProxyFromEnv } = await import("node:http")
  setGlobalProxyFromEnv({
    ...(proxies.http_proxy && { http_proxy: proxies.http_proxy.href }),
    ...(proxies.https_proxy && { https_proxy: proxies.https_proxy.href }),
    no_proxy
  })
}

const proxyOf = (url: string, environment: Environment) =>
  environment["NODE_USE_ENV_PROXY"] === "0"
    ? undefined
    : proxyIn(environment, url.startsWith("https:") ? "https_proxy" : "http_proxy")

/** The proxy for an address of another machine, without credentials, for people. */
export const proxyFor = (url: string, environment: Environment): string | undefined => proxyOf(url, environment)?.host

/** Why the proxy for another machine cannot be used. The variable is not quoted, because it may contain a password. */
export const refusedProxy = (url: string, environment: Environment): string | undefined =>
  proxyOf(url, environment) === null
    ? "HTTPS_PROXY is not the address of an HTTP proxy: it looks like http://proxy.example:3128. SOCKS proxies are not supported. Correct it, or set NODE_USE_ENV_PROXY=0 to use none."
    : undefined
