/**
 * Approvals for later requests, in memory: of each conversation, the scopes that a person answered with `always`.
 *
 * Invariants, property-tested
 * - A request is covered only by an approval of the same conversation and the same scope. A request without a scope is
 *   never covered.
 * - Memory is bounded. A forgotten approval costs one more question.
 */
import type { Id } from "@opencode-worker/convex-backend/api"

const maxConversations = 1_000
const maxScopes = 200

/** Adds at the end, and removes the oldest entries above `max`. */
const putNewest = <K, V>(map: Map<K, V>, key: K, value: V, max: number): void => {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= max) return
    map.delete(oldest)
  }
}

type Scoped = { readonly scope: string } | null

export const makeApprovals = () => {
  const conversations = new Map<string, Map<string, Id<"requests">>>()
  return {
    /** `requestId`: the request that was answered with `always`. */
    add: (conversation: string, always: Scoped, requestId: Id<"requests">): void => {
      if (always === null) return
      const scopes = conversations.get(conversation) ?? new Map<string, Id<"requests">>()
      putNewest(scopes, always.scope, requestId, maxScopes)
      putNewest(conversations, conversation, scopes, maxConversations)
    },
    /** The request whose `always` answer covers this one. */
    find: (conversation: string, always: Scoped): Id<"requests"> | undefined =>
      always === null ? undefined : conversations.get(conversation)?.get(always.scope)
  }
}
