import {
  api,
  type InboxItem,
  type NotifyTarget,
  type NotifyTargetId,
  type RequestId,
  type SessionId,
  type TurnId,
  type WorkerId
} from "../api.ts"
import type { CallOptions, Calls } from "../internal/calls.ts"

export interface NotifyTargetOptions {
  /** `webhook`: JSON is posted. `ntfy`: the URL is that of a topic. */
  readonly kind: "webhook" | "ntfy"
  /** `https:`. `http:` only for the machine of the deployment, if its environment allows it. */
  readonly url: string
  /** Signs the body of a webhook (HMAC-SHA256); an access token of ntfy. It is never listed. */
  readonly secret?: string
  /** The kinds of inbox items to send. Default: all. */
  readonly wants?: ReadonlyArray<InboxItem["kind"]>
  /** Send titles and subjects also. Default: false. */
  readonly content?: boolean
  /** Remove the target when the device of this client is revoked. Default: false. */
  readonly ofDevice?: boolean
}

/** What a browser's `PushSubscription` has, or its `toJSON()`. */
export interface PushSubscriptionLike {
  readonly endpoint?: string | undefined
  readonly keys?: Readonly<Record<string, string>> | undefined
  readonly toJSON?: () => { readonly endpoint?: string; readonly keys?: Record<string, string> }
}

export type SubscribePushOptions = CallOptions & Pick<NotifyTargetOptions, "wants" | "content">

/** The JSON of the text of a `push` event: show it at each event, because browsers end subscriptions that show nothing. */
export interface PushMessage {
  /** The same for each repetition, and another one for each state of an item. */
  readonly id: string
  readonly kind: InboxItem["kind"] | "test"
  /** Milliseconds of the server's clock. */
  readonly at: number
  readonly sessionId: SessionId | null
  readonly turnId: TurnId | null
  readonly requestId: RequestId | null
  readonly workerId: WorkerId | null
  /** A short English sentence for the kind, such as "The agent asks". */
  readonly heading: string
  /** Of the session, and the line of the request or error: only with `content`. */
  readonly title?: string
  readonly subject?: string
}

/** Where the deployment sends what appears in the inbox, also while no client is connected. */
export const makeNotifications = ({ action, mutation, query }: Calls) => ({
  /** Your targets with the last error of each. URLs have no query. */
  list: (options?: CallOptions): Promise<ReadonlyArray<NotifyTarget>> => query(api.notifications.list, {}, options),
  /** Adds a target, or replaces the one with the same kind and URL. At most 20. */
  add: ({ wants, ...target }: NotifyTargetOptions, options?: CallOptions): Promise<NotifyTargetId> =>
    mutation(api.notifications.add, { ...target, ...(wants !== undefined && { wants: [...wants] }) }, options),
  /** The deployment's key, base64url: `applicationServerKey` for the `PushManager.subscribe` of a page. */
  pushKey: async (options?: CallOptions): Promise<string> => (await action(api.pushSubscriptions.key, {}, options)).key,
  /**
   * Sends notifications to a browser's subscription. Call it at each load of the page: browsers renew subscriptions, and
   * the new one replaces the earlier one of this device, and keeps its `wants` and `content` if they are not given. A device
   * with the scope `read` may call it.
   */
  subscribePush: async (
    subscription: PushSubscriptionLike,
    { content, wants, ...options }: SubscribePushOptions = {}
  ): Promise<NotifyTargetId> => {
    const { endpoint = "", keys = {} } = subscription.toJSON?.() ?? subscription
    const chosen = { ...(wants !== undefined && { wants: [...wants] }), ...(content !== undefined && { content }) }
    const { auth = "", p256dh = "" } = keys
    return mutation(api.pushSubscriptions.subscribe, { endpoint, p256dh, auth, ...chosen }, options)
  },
  /** Ends the notifications of a subscription, by its endpoint. */
  unsubscribePush: async (endpoint: string, options?: CallOptions): Promise<void> => {
    await mutation(api.pushSubscriptions.unsubscribe, { endpoint }, options)
  },
  remove: async (targetId: NotifyTargetId, options?: CallOptions): Promise<void> => {
    await mutation(api.notifications.remove, { targetId }, options)
  },
  /** Sends a test immediately, and returns why it failed, or null. */
  test: async (targetId: NotifyTargetId, options?: CallOptions): Promise<string | null> =>
    (await action(api.notifications.test, { targetId }, options)).error
})
