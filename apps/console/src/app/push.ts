/** Push notifications of this browser: the service worker shows them, also while the page is closed. */
import type { Client } from "@opencode-worker/client"
import { openStore } from "../data/storage.ts"
import { t } from "../text/messages.ts"

/** `unsupported`: on iOS only a page on the home screen can. `blocked`: the user has refused, and only the browser's settings undo that. */
export type PushState = "unsupported" | "blocked" | "off" | "on"

const store = openStore<{ readonly content: boolean }>("identity")
const key = "push"

const canPush = (): boolean =>
  "serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis

const registration = async (): Promise<ServiceWorkerRegistration | undefined> =>
  canPush() ? navigator.serviceWorker.getRegistration() : undefined

const subscription = async (): Promise<PushSubscription | null> =>
  (await (await registration())?.pushManager.getSubscription()) ?? null

export const pushState = async (): Promise<PushState> => {
  if (!canPush()) return "unsupported"
  if (Notification.permission === "denied") return "blocked"
  return (await subscription()) === null ? "off" : "on"
}

/** Whether the notifications of this browser show titles and subjects. */
export const hasPushContent = async (): Promise<boolean> => (await store.get(key))?.content ?? false

const bytesOf = (base64url: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0))

/** A subscription is for one key: one of another deployment at this address is void. */
const isFor = ({ options }: PushSubscription, bytes: Uint8Array): boolean => {
  const known = new Uint8Array(options.applicationServerKey ?? new ArrayBuffer())
  return known.length === bytes.length && known.every((byte, index) => byte === bytes[index])
}

/** Subscribes, or changes the content. Call it from a click: a browser asks for the permission then only. Rejects with a sentence. */
export const subscribePush = async ({ notifications }: Client, content: boolean): Promise<void> => {
  const permission = await Notification.requestPermission()
  if (permission !== "granted") throw new Error(t(permission === "denied" ? "push.blocked" : "push.notAllowed"))
  const worker = await registration()
  if (worker === undefined) throw new Error(t("push.unsupported"))
  const applicationServerKey = bytesOf(await notifications.pushKey())
  const earlier = await worker.pushManager.getSubscription()
  const isVoid = earlier !== null && !isFor(earlier, applicationServerKey)
  if (isVoid) await earlier.unsubscribe()
  const subscribed =
    earlier !== null && !isVoid
      ? earlier
      : await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey }).catch((error: unknown) => {
          throw new Error(t("push.failed", { reason: error instanceof Error ? error.message : String(error) }))
        })
  await notifications.subscribePush(subscribed, { content })
  await store.set(key, { content })
}

export const unsubscribePush = async ({ notifications }: Client): Promise<void> => {
  const subscribed = await subscription()
  if (subscribed === null) return
  await notifications.unsubscribePush(subscribed.endpoint)
  await subscribed.unsubscribe()
}

/** At each load: browsers renew subscriptions. */
export const renewPush = async ({ notifications }: Client): Promise<void> => {
  const subscribed = await subscription()
  if (subscribed !== null) await notifications.subscribePush(subscribed, { content: await hasPushContent() })
}
