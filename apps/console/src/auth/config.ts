/** The configuration that a static host can add as `/config.json`. */
export interface Config {
  /** The URL of the deployment. */
  readonly deployment: string
  /** Null: devices are paired by codes only. */
  readonly login: LoginProvider | null
}

/** An OpenID Connect provider that the deployment's `auth.config.ts` names, with the same client as its `applicationID`. */
export interface LoginProvider {
  readonly issuer: string
  readonly clientId: string
  readonly scope: string
}

const text = (value: unknown, name: string): string => {
  const field: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined
  return typeof field === "string" ? field : ""
}

const loginOf = (json: unknown): LoginProvider | null => {
  const given: unknown = typeof json === "object" && json !== null ? Reflect.get(json, "login") : undefined
  const [issuer, clientId] = [text(given, "issuer"), text(given, "clientId")]
  if (issuer === "" || clientId === "" || !URL.canParse(issuer)) return null
  return { issuer, clientId, scope: text(given, "scope") || "openid" }
}

/** The configuration in a JSON value. Without one, the deployment is the origin of the page. */
export const readConfig = (json: unknown, origin: string): Config => ({
  deployment: (text(json, "deployment") || origin).replace(/\/+$/, ""),
  login: loginOf(json)
})

/** A host without the file responds with an error, or with its page. */
export const loadConfig = async (): Promise<Config> => {
  const json: unknown = await fetch("/config.json", { cache: "no-cache" })
    .then((response) => (response.ok ? response.json() : undefined))
    .catch(() => undefined)
  return readConfig(json, location.origin)
}
