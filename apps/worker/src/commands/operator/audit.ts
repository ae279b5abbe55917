/** Prints entries of the security audit. */
import type { AuditEntry } from "@opencode-worker/client"
import { type Json, printRows } from "../../operator/output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"

export const printAudit = (rows: ReadonlyArray<AuditEntry>, json: Json) =>
  printRows({
    rows,
    json,
    empty: screen`No entries yet.`,
    columns: (since) => [
      { name: "AGE", value: ({ createdAt }) => since(createdAt) },
      { name: "ACTION", value: ({ action }) => action },
      { name: "BY", value: ({ actorId }) => actorId, shrinks: true },
      { name: "DETAIL", value: ({ detail }) => detail ?? "", shrinks: true }
    ]
  })
