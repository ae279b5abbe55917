/** The screen of `watch`: the workers, and what waits for the operator. Pure. */
import type { InboxItem, Worker } from "@opencode-worker/client"
import { fitted } from "../terminal/input/draftView.ts"
import { type ScreenText, screen } from "../terminal/output/ScreenText.ts"
import type { Style } from "../terminal/output/Style.ts"
import { age } from "./age.ts"
import { inboxColumns } from "./inboxColumns.ts"
import { table } from "./table.ts"

export interface Fleet {
  /** Undefined until they are known. */
  readonly workers: ReadonlyArray<Worker> | undefined
  readonly inbox: ReadonlyArray<InboxItem> | undefined
  readonly isConnected: boolean
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

const lines = ({ text }: ScreenText): ReadonlyArray<string> => text.split("\n").slice(0, -1)

/** The first rows of a list, and the number of the others. */
const some = (rows: ReadonlyArray<string>, most: number): ReadonlyArray<string> =>
  rows.length <= most
    ? rows
    : [...rows.slice(0, Math.max(1, most - 1)), `… ${rows.length - Math.max(1, most - 1)} more`]

const workerRows = (workers: ReadonlyArray<Worker>, style: Style, width: number, now: number) => {
  const approved = workers.filter(({ approval }) => approval === "approved")
  if (approved.length === 0) return ["No workers yet."]
  return lines(
    table(
      [
        { name: "MACHINE", value: ({ machine }) => machine, shrinks: true },
        { name: "STATE", value: ({ online, phase }) => (online ? phase : "offline") },
        {
          name: "SEEN",
          value: ({ lastSeenAt, online }) => (online || lastSeenAt === null ? "now" : age(now - lastSeenAt))
        },
        { name: "RUNNING", value: ({ running }) => String(running) },
        { name: "QUEUED", value: ({ queued }) => String(queued) },
        { name: "BRANCH", value: ({ info }) => info?.branch ?? "", shrinks: true },
        { name: "DIRECTORY", value: ({ directory }) => directory, shrinks: true }
      ],
      approved,
      { style, width }
    )
  )
}

const inboxRows = (inbox: ReadonlyArray<InboxItem>, style: Style, width: number, now: number) =>
  inbox.length === 0
    ? ["Nothing waits for you."]
    : lines(
        table(
          inboxColumns(inbox, (at) => age(now - at)),
          inbox,
          { style, width }
        )
      )

/** Rows that fit on the screen. The workers take at most half of it. */
export const watchRows = (fleet: Fleet, style: Style, size: Size, now: number): ReadonlyArray<string> => {
  const width = Math.max(20, size.columns - 1)
  const height = Math.max(10, size.rows - 2)
  const workers = fleet.workers === undefined ? ["…"] : workerRows(fleet.workers, style, width, now)
  const shown = some(workers, Math.floor(height / 2) - 1)
  const inbox = fleet.inbox === undefined ? ["…"] : inboxRows(fleet.inbox, style, width, now)
  const status = fleet.isConnected ? "q leaves" : "no connection to the deployment, trying again"
  return [
    ...shown,
    "",
    ...some(inbox, height - shown.length - 3),
    "",
    style.faint(screen`${fitted(status, width)}`).text
  ]
}
