/**
 * The proxies of the environment, for what this process requests.
 *
 * Node.js uses them only with `NODE_USE_ENV_PROXY`, and then for loopback too, where OpenCode's password would travel to
 * them. Here they are always used for other machines, unless `NODE_USE_ENV_PROXY=0`, and never for this one.
 *
 * @since 0.1.0
 */
import { setGlobalProxyFromEnv } from "node:http"
import { withoutLoopback } from "@opencode-worker/opencode-host"

const variables = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]

/** Call it before the first request. Returns a sentence when a proxy's address cannot be used. */
export const useProxies = (environment: NodeJS.ProcessEnv): string | undefined => {
  if (!variables.some((name) => (environment[name] ?? "") !== "")) return undefined
  const direct = withoutLoopback(environment["no_proxy"] ?? environment["NO_PROXY"])
  environment["NO_PROXY"] = environment["no_proxy"] = direct
  if (environment["NODE_USE_ENV_PROXY"] === "0") return undefined
  try {
    setGlobalProxyFromEnv(environment)
    return undefined
  } catch {
    // The error quotes the address, which may have a password in it.
    return `The address of a proxy is not a URL: correct ${variables.join(", ")}, such as http://proxy.example:3128, or unset them.`
  }
}

/** The proxy for an address of another machine, without credentials, for people. */
export const proxyFor = (url: string, environment: NodeJS.ProcessEnv): string | undefined => {
  if (environment["NODE_USE_ENV_PROXY"] === "0") return undefined
  const names = url.startsWith("https:") ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy", "HTTP_PROXY"]
  const given = names.map((name) => environment[name] ?? "").find((value) => value !== "") ?? ""
  return URL.canParse(given) ? new URL(given).host : undefined
}
