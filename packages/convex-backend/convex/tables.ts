/**
 * The tables. Spread them into your own schema, or deploy this folder as it is.
 *
 * Invariants
 * - Fields that change often are in a separate row: a heartbeat writes `leases`, a streamed batch inserts into `deltas`, and
 *   no list reads either.
 * - A session's turns run one after another in the order of `seq`: among its unfinished turns only the first can be
 *   `ready`, `claimed` or `running`, and those that steer it.
 * - A turn has deltas and open requests only while it is unfinished, and parts only when it is finished.
 */
import type { TableDefinition } from "convex/server"
import { changesTables } from "./tables/changes.ts"
import { commandsTables } from "./tables/commands.ts"
import { devicesTables } from "./tables/devices.ts"
import { inboxTables } from "./tables/inbox.ts"
import { filesTables } from "./tables/files.ts"
import { modelsTables } from "./tables/models.ts"
import { notificationsTables } from "./tables/notifications.ts"
import { queriesTables } from "./tables/queries.ts"
import { quotasTables } from "./tables/quotas.ts"
import { requestsTables } from "./tables/requests.ts"
import { searchTables } from "./tables/search.ts"
import { sessionsTables } from "./tables/sessions.ts"
import { sessionStatesTables } from "./tables/sessionStates.ts"
import { turnsTables } from "./tables/turns.ts"
import { usageTables } from "./tables/usage.ts"
import { workersTables } from "./tables/workers.ts"

export const tables = {
  ...workersTables,
  ...devicesTables,
  ...quotasTables,
  ...sessionsTables,
  ...sessionStatesTables,
  ...turnsTables,
  ...changesTables,
  ...searchTables,
  ...requestsTables,
  ...modelsTables,
  ...commandsTables,
  ...queriesTables,
  ...inboxTables,
  ...notificationsTables,
  ...usageTables,
  ...filesTables
}

/**
 * These tables and those of your app, for `defineSchema`. Throws if a table of yours has the name of one of these, which a
 * spread would replace.
 *
 * @example
 * export default defineSchema(withTables({ notes: defineTable({ text: v.string() }) }))
 */
export const withTables = <
  Own extends Record<string, TableDefinition> & { readonly [Name in keyof typeof tables]?: never }
>(
  own: Own
): typeof tables & Own => {
  const taken = Object.keys(own).filter((name) => name in tables)
  if (taken.length > 0)
    throw new Error(`opencode-worker has tables with these names, rename yours: ${taken.join(", ")}`)
  return { ...tables, ...own }
}
