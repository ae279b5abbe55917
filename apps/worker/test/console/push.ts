/**
 * The push service of a browser: the browser of the tests has none. The page, the service worker and the deployment are real;
 * only `PushManager` and the permission are replaced.
 */
import { createECDH, randomBytes } from "node:crypto"

const endpoint = "https://push.test/subscription/1"

const keys = () => ({
  p256dh: createECDH("prime256v1").generateKeys("base64url"),
  auth: randomBytes(16).toString("base64url")
})

/** A script for a page before its own: `globalThis.push` has the state of the browser and what the page has done. */
export const fakePush = (): string => `
  globalThis.push = { permission: "default", answer: "granted", failure: null, subscribed: [], subscription: null }
  Object.defineProperty(Notification, "permission", { get: () => push.permission })
  Notification.requestPermission = async () => (push.permission = push.permission === "default" ? push.answer : push.permission)
  const manager = {
    getSubscription: async () => push.subscription,
    subscribe: async (options) => {
      if (push.failure !== null) throw new DOMException(push.failure, "AbortError")
      const key = new Uint8Array(options.applicationServerKey)
      push.subscribed.push({ userVisibleOnly: options.userVisibleOnly, key: [...key] })
      return (push.subscription = {
        endpoint: "${endpoint}",
        options: { applicationServerKey: key.buffer },
        toJSON: () => ({ endpoint: "${endpoint}", keys: ${JSON.stringify(keys())} }),
        unsubscribe: async () => { push.subscription = null; return true }
      })
    }
  }
  Object.defineProperty(ServiceWorkerRegistration.prototype, "pushManager", { get: () => manager })
`
