/** The configuration that a static host can add as `/config.json`. */
export interface Config {
  /** The URL of the deployment. */
  readonly deployment: string
  readonly oidc: { readonly issuer: string; readonly clientId: string } | null
}

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)
const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

/** The configuration in a JSON value. Without one, the deployment is the origin of the page. */
export const readConfig = (json: unknown, origin: string): Config => {
  const oidc = field(json, "oidc")
  const [issuer, clientId] = [text(field(oidc, "issuer")), text(field(oidc, "clientId"))]
  return {
    deployment: (text(field(json, "deployment")) ?? origin).replace(/\/+$/, ""),
    oidc: issuer === undefined || clientId === undefined ? null : { issuer, clientId }
  }
}

/** A host without the file responds with an error, or with its page. */
export const loadConfig = async (): Promise<Config> => {
  const json: unknown = await fetch("/config.json", { cache: "no-cache" })
    .then((response) => (response.ok ? response.json() : undefined))
    .catch(() => undefined)
  return readConfig(json, location.origin)
}
