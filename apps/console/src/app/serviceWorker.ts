/** Registers the service worker, and subscribes this browser to push notifications. */
import type { Client } from "@opencode-worker/client"

const url = "/sw.js"

interface Policies {
  readonly createPolicy: (
    name: string,
    rules: { createScriptURL: (input: string) => string }
  ) => {
    createScriptURL(input: string): string
  }
}

/** The only script URL that the page makes, for browsers that check Trusted Types. */
const scriptUrl = (): string => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- not all browsers have it, and neither has the DOM library
  const { trustedTypes } = globalThis as { readonly trustedTypes?: Policies }
  return trustedTypes === undefined
    ? url
    : trustedTypes.createPolicy("opencode-worker", { createScriptURL: () => url }).createScriptURL(url)
}

export const registerServiceWorker = (): void => {
  if (!("serviceWorker" in navigator)) return
  navigator.serviceWorker.register(scriptUrl(), { type: "module" }).catch(() => undefined)
}

/** Whether this browser can receive notifications. On iOS only a page on the home screen can. */
export const canPush = (): boolean => "serviceWorker" in navigator && "PushManager" in globalThis

export const pushSubscription = async (): Promise<PushSubscription | null> => {
  if (!canPush()) return null
  const registration = await navigator.serviceWorker.getRegistration()
  return (await registration?.pushManager.getSubscription()) ?? null
}

/** Asks for the permission, which a browser allows after a click only. Rejects if it is denied. */
export const subscribePush = async ({ notifications }: Client, content: boolean): Promise<void> => {
  const registration = await navigator.serviceWorker.ready
  const applicationServerKey = await notifications.pushKey()
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey })
  await notifications.subscribePush(subscription, { content })
}

export const unsubscribePush = async ({ notifications }: Client): Promise<void> => {
  const subscription = await pushSubscription()
  if (subscription === null) return
  await notifications.unsubscribePush(subscription.endpoint)
  await subscription.unsubscribe()
}

/** At each load: browsers renew subscriptions. */
export const renewPush = async ({ notifications }: Client): Promise<void> => {
  const subscription = await pushSubscription()
  if (subscription !== null) await notifications.subscribePush(subscription)
}
