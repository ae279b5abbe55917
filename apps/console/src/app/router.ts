/** The page's routes. They live in the fragment, so any static server can serve the page, and no address reaches its log. Pure. */
export type Route =
  | { readonly name: "inbox" }
  | { readonly name: "request"; readonly requestId: string }
  | { readonly name: "sessions" }
  | { readonly name: "new"; readonly workerId: string | null }
  | { readonly name: "session"; readonly sessionId: string; /** Shown first. */ readonly turnId?: string }
  | { readonly name: "changes"; readonly sessionId: string; readonly turnId: string }
  | { readonly name: "machines" }
  | { readonly name: "machine"; readonly workerId: string }
  | { readonly name: "files"; readonly workerId: string; readonly path: string }
  | { readonly name: "diff"; readonly workerId: string }
  | { readonly name: "search"; readonly text: string }
  | { readonly name: "usage" }
  | { readonly name: "settings" }

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The route of a fragment such as `#/sessions/abc`. Unknown ones are the inbox. */
export const parse = (hash: string): Route => {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2)
  const [first = "", second = "", third = "", fourth = ""] = path.split("/").map(decode)
  const given = new URLSearchParams(query)
  switch (first) {
    case "inbox":
      return second === "" ? { name: "inbox" } : { name: "request", requestId: second }
    case "sessions":
      if (second === "new") return { name: "new", workerId: given.get("on") }
      if (third === "changes" && fourth !== "") return { name: "changes", sessionId: second, turnId: fourth }
      if (second === "") return { name: "sessions" }
      return { name: "session", sessionId: second, ...(given.has("turn") && { turnId: given.get("turn") ?? "" }) }
    case "machines":
      if (third === "files") return { name: "files", workerId: second, path: given.get("path") ?? "" }
      if (third === "diff") return { name: "diff", workerId: second }
      return second === "" ? { name: "machines" } : { name: "machine", workerId: second }
    case "search":
      return { name: "search", text: given.get("q") ?? "" }
    case "usage":
    case "settings":
      return { name: first }
    default:
      return { name: "inbox" }
  }
}

const query = (name: string, value: string): string => (value === "" ? "" : `?${name}=${encodeURIComponent(value)}`)

/** The fragment of a route: the inverse of `parse`. */
export const href = (route: Route): string => {
  const e = encodeURIComponent
  switch (route.name) {
    case "request":
      return `#/inbox/${e(route.requestId)}`
    case "new":
      return `#/sessions/new${query("on", route.workerId ?? "")}`
    case "session":
      return `#/sessions/${e(route.sessionId)}${query("turn", route.turnId ?? "")}`
    case "changes":
      return `#/sessions/${e(route.sessionId)}/changes/${e(route.turnId)}`
    case "machine":
      return `#/machines/${e(route.workerId)}`
    case "files":
      return `#/machines/${e(route.workerId)}/files${query("path", route.path)}`
    case "diff":
      return `#/machines/${e(route.workerId)}/diff`
    case "search":
      return `#/search${query("q", route.text)}`
    default:
      return `#/${route.name}`
  }
}

export type Section = "inbox" | "sessions" | "machines" | "search" | "usage" | "settings"

/** The entry of the navigation that a route belongs to. */
export const sectionOf = ({ name }: Route): Section => {
  if (name === "request") return "inbox"
  if (name === "session" || name === "new" || name === "changes") return "sessions"
  if (name === "machine" || name === "files" || name === "diff") return "machines"
  return name
}

/** The route that a phone shows one step up. Null for the entries of the navigation. */
export const parentOf = (route: Route): Route | null => {
  switch (route.name) {
    case "request":
      return { name: "inbox" }
    case "session":
    case "new":
      return { name: "sessions" }
    case "changes":
      return { name: "session", sessionId: route.sessionId }
    case "machine":
      return { name: "machines" }
    case "files":
    case "diff":
      return { name: "machine", workerId: route.workerId }
    default:
      return null
  }
}

/** The response of a login provider in the address of the page, or null. */
export const loginResponse = ({ hash, search }: Pick<URL, "hash" | "search">): URLSearchParams | null => {
  for (const text of [hash.replace(/^#/, ""), search]) {
    const given = new URLSearchParams(text)
    if (given.has("state") && (given.has("code") || given.has("error"))) return given
  }
  return null
}

/** The pairing code in a fragment such as `#pair=ABCD-EFGH`, or null. */
export const pairingCode = (hash: string): string | null => {
  const code = new URLSearchParams(hash.replace(/^#/, "")).get("pair")?.trim() ?? ""
  return code === "" ? null : code
}
