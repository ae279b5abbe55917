/** The configuration that a static host can add as `/config.json`. */
export interface Config {
  /** The URL of the deployment. */
  readonly deployment: string
}

/** The configuration in a JSON value. Without one, the deployment is the origin of the page. */
export const readConfig = (json: unknown, origin: string): Config => {
  const given: unknown = typeof json === "object" && json !== null ? Reflect.get(json, "deployment") : undefined
  return { deployment: (typeof given === "string" && given !== "" ? given : origin).replace(/\/+$/, "") }
}

/** A host without the file responds with an error, or with its page. */
export const loadConfig = async (): Promise<Config> => {
  const json: unknown = await fetch("/config.json", { cache: "no-cache" })
    .then((response) => (response.ok ? response.json() : undefined))
    .catch(() => undefined)
  return readConfig(json, location.origin)
}
