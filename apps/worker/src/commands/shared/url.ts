import { Effect } from "effect"
import { configError } from "../../AppError.ts"
import { refusedProxy } from "../../proxy.ts"

const local = new Set(["127.0.0.1", "localhost", "[::1]"])

/** Whether it is an HTTP address of this machine, without credentials. */
export const isLocal = (address: string): boolean => {
  const parsed = URL.canParse(address) ? new URL(address) : undefined
  return parsed?.protocol === "http:" && parsed.username === "" && local.has(parsed.hostname)
}

/** The address of a deployment. It must be encrypted beyond this machine, because the worker sends its secret to it. */
export const resolveUrl = Effect.fnUntraced(function* (given: string) {
  const parsed = URL.canParse(given) ? new URL(given) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    return yield* configError(
      "--url is not the address of a deployment: it looks like https://happy-otter-123.convex.cloud."
    )
  }
  if (parsed.username !== "" || parsed.password !== "") {
    return yield* configError("--url holds a user name or a password: leave them out; a worker pairs by its code.")
  }
  if (parsed.protocol === "http:" && !local.has(parsed.hostname)) {
    return yield* configError(
      `${parsed.host} is not this machine: give its https address, so that the worker's secret is encrypted in transit.`
    )
  }
  const refused = local.has(parsed.hostname) ? undefined : refusedProxy(parsed.href, process.env)
  if (refused !== undefined) return yield* configError(refused)
  return parsed.href.replace(/\/+$/, "")
})
