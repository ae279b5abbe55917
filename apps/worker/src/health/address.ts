/** Where the health endpoints may listen. Pure. */

export type HealthAddress = { readonly path: string } | { readonly host: string; readonly port: number }

const loopback: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"])

/** `unix:/path`, or a loopback address with a port. */
export const parseAddress = (given: string): HealthAddress | undefined => {
  const [, path] = /^unix:(\/.+)$/.exec(given) ?? []
  if (path !== undefined) return { path }
  const [, host = "", port = ""] = /^(\[::1\]|[^:]+):(\d{1,5})$/.exec(given) ?? []
  return loopback.has(host) && Number(port) < 65_536
    ? { host: host.replace(/^\[|\]$/g, ""), port: Number(port) }
    : undefined
}
