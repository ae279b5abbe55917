import { api, type SessionId, type SessionUsage, type UsageDay } from "../api.ts"
import { type CallOptions, type Calls, pageSize } from "../internal/calls.ts"
import { pages } from "../internal/pages.ts"

/** Tokens, and cost in US dollars. */
export const makeUsage = ({ query }: Calls) => ({
  session: (sessionId: SessionId, options?: CallOptions): Promise<SessionUsage> =>
    query(api.usage.session, { sessionId }, options),
  /** One row per day (UTC, `2026-01-31`), worker and model, the newest day first: sum them by the field that you show. */
  days: (from: string, to: string, options?: CallOptions): AsyncIterable<UsageDay> =>
    pages(pageSize, (paginationOpts) => query(api.usage.days, { from, to, paginationOpts }, options))
})
