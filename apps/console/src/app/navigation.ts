/** The current route as React state, and moves between routes. */
import { useSyncExternalStore } from "react"
import { href, parse, type Route } from "./router.ts"

let last: { readonly hash: string; readonly route: Route } = { hash: "", route: parse("") }

const current = (): Route => {
  const { hash } = location
  if (hash !== last.hash) last = { hash, route: parse(hash) }
  return last.route
}

const subscribe = (onChange: () => void) => {
  addEventListener("hashchange", onChange)
  return () => removeEventListener("hashchange", onChange)
}

export const useRoute = (): Route => useSyncExternalStore(subscribe, current)

export const go = (route: Route, { replace = false }: { readonly replace?: boolean } = {}): void => {
  if (!replace) location.hash = href(route)
  else location.replace(href(route))
}
