import { api, type InboxItem, type InboxItemId } from "../api.ts"
import { type CallOptions, type Calls } from "../internal/calls.ts"
import { watchQuery } from "../internal/watchQuery.ts"

/** The items that wait for you, over all workers. */
export const makeInbox = ({ connection, mutation, query }: Calls) => ({
  /**
   * At most 50 of each kind: pinned items, then `asked`, `gone`, `failed`, `interrupted`, and `finished` turns that this
   * device has not read. `archived`: those that were archived instead.
   */
  list: ({ archived = false, ...options }: CallOptions & { readonly archived?: boolean } = {}): Promise<
    ReadonlyArray<InboxItem>
  > => query(api.inbox.list, { archived }, options),
  watch: ({ signal }: CallOptions = {}): AsyncIterable<ReadonlyArray<InboxItem>> =>
    watchQuery(connection, api.inbox.list, {}, signal),
  /** The number for a badge: requests that wait, and other items that this device has not read; now and at each change. */
  watchCount: ({ signal }: CallOptions = {}): AsyncIterable<number> =>
    watchQuery(connection, api.inbox.count, {}, signal),
  /** Marks up to 100 items as read, or unread, for this device. */
  markRead: async (
    itemIds: ReadonlyArray<InboxItemId>,
    { read = true, ...options }: CallOptions & { readonly read?: boolean } = {}
  ): Promise<void> => {
    await mutation(api.inbox.markRead, { itemIds: [...itemIds], read }, options)
  },
  /** Lists an item first, for all devices. */
  pin: async (itemId: InboxItemId, pinned: boolean, options?: CallOptions): Promise<void> => {
    await mutation(api.inbox.pin, { itemId, pinned }, options)
  },
  /** Hides an item for all devices, until something new happens to its session or worker. */
  archive: async (itemId: InboxItemId, archived: boolean, options?: CallOptions): Promise<void> => {
    await mutation(api.inbox.archive, { itemId, archived }, options)
  }
})
