/**
 * Requests to webhooks and ntfy servers. Uses Web standards only, which exist in Convex's runtime and in Node.
 */
import type { Doc } from "./_generated/dataModel.ts"
import { appError } from "./errors.ts"
import { checkText, MAX_NAME, MAX_PUSH_TEXT, MAX_URL, NOTIFY_TIMEOUT, printable } from "./limits.ts"

declare const process: { readonly env: Readonly<Record<string, string | undefined>> }

/** Of a webhook or an ntfy topic. */
export type Target = Pick<Doc<"notifyTargets">, "kind" | "url" | "secret">

/** `error`: why a request failed, or null. `isGone`: the receiver does not exist any longer, as push services report it. */
export interface Posted {
  readonly error: string | null
  readonly isGone: boolean
}

/** The body and headers of a request. */
export interface Message {
  readonly body: string | Uint8Array<ArrayBuffer>
  readonly headers: Readonly<Record<string, string>>
}

/** `title` and `subject` only for targets that receive the content. */
export interface Notification {
  /** The same for every attempt of a state of an item, so that a receiver can drop repeats. */
  readonly id: string
  readonly kind: Doc<"inbox">["kind"] | "test"
  /** Milliseconds of the server's clock. */
  readonly at: number
  readonly sessionId: string | null
  readonly turnId: string | null
  readonly requestId: string | null
  readonly workerId: string | null
  readonly title?: string | null
  readonly subject?: string
}

const loopback: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"])

/** The URL in its normal form. Rejects all but https, and http to this machine if the deployment's environment allows it. */
export const checkUrl = (text: string): string => {
  checkText("url", text, MAX_URL)
  if (!URL.canParse(text)) throw appError("InvalidArgument", "url is not a URL")
  const url = new URL(text)
  if (url.username !== "" || url.password !== "") {
    throw appError("InvalidArgument", "url has a user name or a password: use the secret")
  }
  url.hash = ""
  const isLocal = process.env["OPENCODE_WORKER_NOTIFY_LOCAL"] === "1" && loopback.has(url.hostname)
  if (url.protocol === "https:" || (url.protocol === "http:" && isLocal)) return url.href
  throw appError(
    "InvalidArgument",
    "url must begin with https://; http:// is for this machine, if OPENCODE_WORKER_NOTIFY_LOCAL is 1 in the environment " +
      "of the deployment"
  )
}

/** A URL as it may be shown: its query can have secrets. The path of a push endpoint is one. */
export const shownUrl = (url: string, kind?: Doc<"notifyTargets">["kind"]): string => {
  const { origin, pathname } = new URL(url)
  return kind === "push" ? origin : origin + pathname
}

const encode = (text: string) => new TextEncoder().encode(text)

/** HMAC-SHA256, hexadecimal. */
const sign = async (secret: string, body: string): Promise<string> => {
  const algorithm = { name: "HMAC", hash: "SHA-256" }
  const key = await crypto.subtle.importKey("raw", encode(secret), algorithm, false, ["sign"])
  const signature = await crypto.subtle.sign("HMAC", key, encode(body))
  return Array.from(new Uint8Array(signature), (byte) => byte.toString(16).padStart(2, "0")).join("")
}

/** Title, priority (3 is normal) and tag of ntfy. Headers are ASCII, so the content is in the body. */
const ntfy: Record<Notification["kind"], readonly [title: string, priority: string, tag: string]> = {
  asked: ["The agent asks", "4", "question"],
  gone: ["A worker is gone", "4", "electric_plug"],
  failed: ["A turn failed", "4", "x"],
  interrupted: ["A turn was interrupted", "3", "warning"],
  finished: ["A turn finished", "3", "white_check_mark"],
  test: ["A test", "3", "bell"]
}

/** A surrogate without the other half of its character cannot be sent. */
const short = (text: string) =>
  printable(text)
    .slice(0, MAX_PUSH_TEXT)
    .replaceAll(/\p{Surrogate}/gu, "\ufffd")

/**
 * The text of a push message: everything that a page needs to show it without a request, because a browser ends a
 * subscription whose messages show nothing. `heading` needs no content.
 */
export const pushPayload = ({ subject, title, ...notification }: Notification): string => {
  return JSON.stringify({
    ...notification,
    heading: ntfy[notification.kind][0],
    ...(typeof title === "string" && { title: short(title) }),
    ...(subject !== undefined && { subject: short(subject) })
  })
}

const requestOf = async ({ kind, secret }: Target, notification: Notification): Promise<Message> => {
  const { id, subject, title } = notification
  const content = [title ?? "", subject ?? ""].filter((line) => line !== "").map(printable)
  if (kind === "ntfy") {
    const [heading, priority, tags] = ntfy[notification.kind]
    return {
      body: content.length === 0 ? "Open the inbox to read it." : content.join("\n"),
      headers: {
        title: heading,
        priority,
        tags,
        "x-opencode-worker-id": id,
        ...(secret !== undefined && { authorization: `Bearer ${secret}` })
      }
    }
  }
  const body = JSON.stringify(notification)
  return {
    body,
    headers: {
      "content-type": "application/json",
      "x-opencode-worker-id": id,
      ...(secret !== undefined && { "x-opencode-worker-signature": `sha256=${await sign(secret, body)}` })
    }
  }
}

const describe = (error: unknown, url: string): string => {
  if (!(error instanceof Error)) return "The request failed"
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ""
  return printable(`${error.message}${cause}`.replaceAll(url, shownUrl(url))).slice(0, MAX_NAME)
}

/** Posts a message. A redirect is a failure: it would lead to an unchecked URL. */
export const postTo = async (url: string, compose: () => Promise<Message>): Promise<Posted> => {
  const controller = new AbortController()
  const timer = setTimeout(() => {
    controller.abort(new Error(`There was no answer in ${NOTIFY_TIMEOUT / 1_000} s`))
  }, NOTIFY_TIMEOUT)
  try {
    const { body, headers } = await compose()
    const { signal } = controller
    const response = await fetch(checkUrl(url), { method: "POST", redirect: "manual", headers, body, signal })
    await response.body?.cancel()
    const error = response.ok ? null : `The answer was ${response.status}`
    return { error, isGone: response.status === 404 || response.status === 410 }
  } catch (error) {
    return { error: describe(error, url), isGone: false }
  } finally {
    clearTimeout(timer)
  }
}

/** Posts a notification to a webhook or a topic. */
export const post = (target: Target, notification: Notification): Promise<Posted> =>
  postTo(target.url, () => requestOf(target, notification))
