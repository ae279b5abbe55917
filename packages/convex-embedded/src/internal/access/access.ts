/**
 * Decides which requests are accepted, by the headers that a browser sets and a page cannot change.
 *
 * - `Host` must be an address that the server is bound to, or an allowed name. A page whose DNS name was rebound to this
 *   machine sends its own name.
 * - `Origin` must be this deployment, this machine on the deployment's own port, or allowed. Programs send none. Browsers
 *   send it with each WebSocket, each POST, and each request whose response a page can read.
 */
export interface AccessRules {
  /** The address that the server listens on, as configured. */
  readonly host: string
  readonly port: number
  readonly allowedHosts: ReadonlyArray<string>
  readonly allowedOrigins: ReadonlyArray<string>
}

export interface AccessRequest {
  /** `undefined` if there is no `Host` header, or more than one. */
  readonly host: string | undefined
  readonly origin: string | undefined
  /** The address that the connection was made to. */
  readonly localAddress: string | undefined
}

/** Why a request is refused. */
export interface AccessRefusal {
  readonly code: "ForbiddenHost" | "ForbiddenOrigin"
  readonly message: string
}

export const accessRefusal = (
  rules: AccessRules,
  { host, localAddress, origin }: AccessRequest
): AccessRefusal | null => {
  const name = nameOfHost(host)
  if (host === undefined || name === null || !isAllowedHost(rules, name, localAddress)) {
    const given =
      host === undefined ? "There is no single Host header" : `The host ${quote(host)} is not this deployment`
    return {
      code: "ForbiddenHost",
      message: `${given}. Use an address that it listens on, or add the name to allowedHosts.`
    }
  }
  if (origin === undefined || isAllowedOrigin(rules, origin, host)) return null
  const message = `Pages of ${quote(origin)} may not use this deployment. Add their origin to allowedOrigins.`
  return { code: "ForbiddenOrigin", message }
}

/** The lower-case host without port, brackets and trailing dot; `null` if it is not a host. */
const nameOfHost = (host: string | undefined): string | null => {
  const [, address, name] = /^(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]\\]+))(?::\d{1,5})?$/i.exec(host ?? "") ?? []
  return (address ?? name)?.toLowerCase().replace(/\.$/, "") ?? null
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/

const isAllowedHost = (rules: AccessRules, name: string, localAddress: string | undefined): boolean =>
  // DNS rebinding cannot produce these: `localhost` is reserved, and an IP address is not a DNS name.
  LOOPBACK.test(name) ||
  name === localAddress?.toLowerCase().replace(/^::ffff:/, "") ||
  name === nameOfHost(bracketed(rules.host)) ||
  rules.allowedHosts.some((allowed) => allowed === "*" || nameOfHost(bracketed(allowed)) === name)

/** IPv6 addresses have brackets in a `Host` header, and none in an option. */
const bracketed = (host: string): string => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host)

const isAllowedOrigin = ({ allowedOrigins, port }: AccessRules, origin: string, host: string): boolean => {
  if (allowedOrigins.includes("*") || allowedOrigins.includes(origin)) return true
  if (!/^https?:\/\//.test(origin) || !URL.canParse(origin)) return false
  const page = new URL(origin)
  if (page.origin !== origin) return false
  // A page of the deployment itself; `Host` was checked before.
  const own = `${page.protocol}//${host}`
  if (URL.canParse(own) && page.host === new URL(own).host) return true
  if (!LOOPBACK.test(nameOfHost(page.host) ?? "")) return false
  const pagePort = page.port === "" ? (page.protocol === "https:" ? 443 : 80) : Number(page.port)
  return pagePort === port || allowedOrigins.includes("loopback")
}

/** Quotes untrusted text for a message, at a readable length. */
const quote = (text: string): string => JSON.stringify(text.slice(0, 100))

/** Whether it is an entry of `allowedHosts`: `*`, a name or an address. */
export const isHostEntry = (entry: unknown): boolean =>
  typeof entry === "string" && (entry === "*" || nameOfHost(bracketed(entry)) !== null)

/** Whether it is an entry of `allowedOrigins`: `loopback`, `*`, `null`, or an origin as browsers send it. */
export const isOriginEntry = (entry: unknown): boolean => {
  if (typeof entry !== "string") return false
  if (/^https?:/.test(entry)) return URL.canParse(entry) && new URL(entry).origin === entry
  return /^(loopback|\*|null|[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+)$/.test(entry)
}
