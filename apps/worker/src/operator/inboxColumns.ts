/** The columns of the inbox. Pure. */
import type { InboxItem } from "@opencode-worker/client"
import { prefixLength } from "./lookup.ts"
import type { Column } from "./table.ts"

/** The id that the other commands take: of the request, if the item is one. */
export const idOf = ({ itemId, requestId }: InboxItem): string => requestId ?? itemId

export const inboxColumns = (
  rows: ReadonlyArray<InboxItem>,
  since: (millis: number) => string
): ReadonlyArray<Column<InboxItem>> => {
  const length = prefixLength(rows.map(idOf))
  return [
    { name: "ID", value: (item) => idOf(item).slice(0, length) },
    { name: "KIND", value: ({ kind, pinned }) => `${kind}${pinned ? " (pinned)" : ""}` },
    { name: "AGE", value: ({ at }) => since(at) },
    { name: "SESSION", value: ({ title }) => title ?? "", shrinks: true },
    { name: "SUBJECT", value: ({ subject }) => subject, shrinks: true }
  ]
}
