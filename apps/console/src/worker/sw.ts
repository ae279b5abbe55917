/**
 * The service worker: the page opens without a network, shows notifications, and receives what other apps share.
 *
 * Invariant: it never stores a response of the deployment, only the files of the build.
 */
import type { PushMessage } from "@opencode-worker/client"
import { notificationOf, pageOf } from "./notification.ts"
import { storeShared } from "./shared.ts"

/** The files of the build, which the build writes here. */
declare const __FILES__: ReadonlyArray<string>
/** Another one for each build. */
declare const __VERSION__: string

/** The parts of the worker's scope that this file uses; the library of the DOM has none. */
interface Scope {
  readonly clients: {
    readonly claim: () => Promise<void>
    readonly matchAll: (
      options: object
    ) => Promise<ReadonlyArray<{ focus(): Promise<unknown>; navigate(url: string): Promise<unknown> }>>
    readonly openWindow: (url: string) => Promise<unknown>
  }
  readonly registration: ServiceWorkerRegistration
  readonly skipWaiting: () => Promise<void>
  readonly addEventListener: (name: string, listener: (event: never) => void) => void
}

interface Extendable {
  readonly waitUntil: (work: Promise<unknown>) => void
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this file runs as a service worker
const scope = globalThis as unknown as Scope
const cacheName = `page-${__VERSION__}`

const install = async () => {
  const cache = await caches.open(cacheName)
  await cache.addAll([...__FILES__])
  await scope.skipWaiting()
}

const activate = async () => {
  for (const name of await caches.keys()) if (name !== cacheName) await caches.delete(name)
  await scope.clients.claim()
}

/** The page from the network, so that a new build is seen at once; from the cache if there is none. */
const page = async (request: Request): Promise<Response> => {
  try {
    return await fetch(request)
  } catch {
    return (await caches.match("/")) ?? Response.error()
  }
}

const file = async (request: Request): Promise<Response> => (await caches.match(request)) ?? fetch(request)

const share = async (request: Request): Promise<Response> => {
  await storeShared(await request.formData())
  return Response.redirect("/#/sessions/new", 303)
}

const respond = (request: Request): Promise<Response> | null => {
  const { origin, pathname } = new URL(request.url)
  if (origin !== location.origin) return null
  if (request.method === "POST" && pathname === "/share") return share(request)
  if (request.method !== "GET") return null
  if (request.mode === "navigate") return page(request)
  return __FILES__.includes(pathname) ? file(request) : null
}

const show = async (message: PushMessage) => {
  const { options, title } = notificationOf(message)
  await scope.registration.showNotification(title, options)
}

const openPage = async (url: string) => {
  const [client] = await scope.clients.matchAll({ type: "window", includeUncontrolled: true })
  if (client === undefined) return scope.clients.openWindow(url)
  // A browser may refuse either: to focus a page without a click, and to lead a page that another worker controls.
  await client.focus().catch(() => undefined)
  return client.navigate(url).catch(() => scope.clients.openWindow(url))
}

scope.addEventListener("install", (event: Extendable) => event.waitUntil(install()))
scope.addEventListener("activate", (event: Extendable) => event.waitUntil(activate()))
scope.addEventListener(
  "fetch",
  (event: { readonly request: Request; readonly respondWith: (response: Promise<Response>) => void }) => {
    const response = respond(event.request)
    if (response !== null) event.respondWith(response)
  }
)
scope.addEventListener("push", (event: Extendable & { readonly data: { json(): PushMessage } | null }) => {
  // Browsers end a subscription whose pushes show nothing.
  if (event.data !== null) event.waitUntil(show(event.data.json()))
})
scope.addEventListener(
  "notificationclick",
  (event: Extendable & { readonly notification: { readonly data: unknown; close(): void } }) => {
    event.notification.close()
    event.waitUntil(openPage(pageOf(event.notification.data)))
  }
)
