import { api, type InboxItem, type NotifyTarget, type NotifyTargetId } from "../api.ts"
import type { CallOptions, Calls } from "../internal/calls.ts"

export interface NotifyTargetOptions {
  /** `webhook`: JSON is posted. `ntfy`: the URL is that of a topic. */
  readonly kind: NotifyTarget["kind"]
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

/** Where the deployment sends what appears in the inbox, also while no client is connected. */
export const makeNotifications = ({ action, mutation, query }: Calls) => ({
  /** Your targets with the last error of each. URLs have no query. */
  list: (options?: CallOptions): Promise<ReadonlyArray<NotifyTarget>> => query(api.notifications.list, {}, options),
  /** Adds a target, or replaces the one with the same kind and URL. At most 20. */
  add: ({ wants, ...target }: NotifyTargetOptions, options?: CallOptions): Promise<NotifyTargetId> =>
    mutation(api.notifications.add, { ...target, ...(wants !== undefined && { wants: [...wants] }) }, options),
  remove: async (targetId: NotifyTargetId, options?: CallOptions): Promise<void> => {
    await mutation(api.notifications.remove, { targetId }, options)
  },
  /** Sends a test immediately, and returns why it failed, or null. */
  test: async (targetId: NotifyTargetId, options?: CallOptions): Promise<string | null> =>
    (await action(api.notifications.test, { targetId }, options)).error
})
