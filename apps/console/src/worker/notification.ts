/** Push messages as notifications. Pure. */
import type { PushMessage } from "@opencode-worker/client"
import { cleanLine } from "@opencode-worker/client/text"
import { href } from "../app/router.ts"

/** The page that a notification opens. */
const targetOf = ({ requestId, sessionId, workerId }: PushMessage): string => {
  if (requestId !== null) return href({ name: "request", requestId })
  if (sessionId !== null) return href({ name: "session", sessionId })
  return workerId === null ? href({ name: "inbox" }) : href({ name: "machine", workerId })
}

/** One notification per session or machine: a later one replaces it. */
export const notificationOf = (message: PushMessage) => {
  const { at, heading, kind, sessionId, subject, title, workerId } = message
  return {
    title: cleanLine(title ?? heading),
    options: {
      body: cleanLine(
        [...(title === undefined ? [] : [heading]), ...(subject === undefined ? [] : [subject])].join(": ")
      ),
      tag: sessionId ?? workerId ?? kind,
      timestamp: at,
      icon: "/icon-192.png",
      badge: "/icon-192.png",
      requireInteraction: kind === "asked",
      data: { page: `/${targetOf(message)}` }
    }
  }
}

/** The page in the data of a notification: always one of this origin. */
export const pageOf = (data: unknown): string => {
  const page: unknown = typeof data === "object" && data !== null ? Reflect.get(data, "page") : undefined
  return typeof page === "string" && page.startsWith("/#/") ? page : "/#/inbox"
}
