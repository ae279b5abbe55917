/**
 * The screens of the documentation. `vitest run -u test/operator/screens.test.ts` writes them again; without `-u` this fails
 * if they differ from the program.
 */
import type { InboxItem, PendingRequest, QueuedPrompt, Segment, Worker } from "@opencode-worker/client"
import { TurnView } from "@opencode-worker/client"
import { expect, it } from "vitest"
import { ok, problem, warning } from "../../src/doctor/Finding.ts"
import { findingLine } from "../../src/doctor/findingLine.ts"
import { processLines } from "../../src/health/statusLines.ts"
import type { WorkerReport } from "../../src/health/RunningWorkers.ts"
import { rowsOf } from "../../src/operator/chat/footer.ts"
import { age } from "../../src/operator/age.ts"
import { inboxColumns } from "../../src/operator/inboxColumns.ts"
import { table } from "../../src/operator/table.ts"
import { watchRows } from "../../src/operator/watchView.ts"
import { plain } from "../../src/terminal/output/Style.ts"
import { permissionCard } from "../../src/terminal/requestCard.ts"
import * as ToolPreview from "../../src/terminal/ToolPreview.ts"
import * as Transcript from "../../src/terminal/Transcript.ts"
import { live } from "../support/views.ts"

const columns = 96
const now = 10_000_000
const page = { style: plain, width: columns }
const fileOf = (name: string) => `../../../../docs/screens/${name}.txt`

// oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters -- only the shown fields
const row = <A>(fields: unknown): A => fields as A

const text = (partId: string, content: string): Segment => ({ partId, kind: "text", text: content })
const call = (status: "running" | "completed", output: string): Segment => ({
  partId: "t1",
  kind: "tool",
  text: ToolPreview.encode({ tool: "bash", status, title: "Run the tests", input: '{"command":"pnpm test"}', output })
})
const todos: Segment = {
  partId: "todos",
  kind: "todos",
  text: JSON.stringify([
    { content: "Find the slow tests", status: "completed", priority: "high" },
    { content: "Replace the sleeps by conditions", status: "in_progress", priority: "high" },
    { content: "Run them 100 times", status: "pending", priority: "low" }
  ])
}

it("a chat", async () => {
  const first = live(TurnView.empty, text("a", "I look at the **tests** first.\n\n"), call("running", ""))
  const answer =
    "## Slow tests\n\n| Test | Seconds | Cause |\n|---|--:|---|\n| `login` | 12.1 | waits 10 s |\n| `日本語` | 3.4 | a real clock |\n\n- both *sleep*\n- none needs it\n\nThe fix is "
  const second = live(first, call("completed", "2 slow tests"), text("b", answer), todos)
  const [begun, one] = Transcript.render(Transcript.empty, page, first)
  const [{ pending }, two] = Transcript.render(begun, page, second)
  const footer = rowsOf(
    {
      style: plain,
      running: { view: second, pending, since: now - 42_000 },
      queued: [row<QueuedPrompt>({ head: "Then open a pull request" })],
      worker: row<Worker>({ machine: "build-server", online: true, phase: "Ready" }),
      isConnected: true,
      model: "anthropic/claude-sonnet-4-5",
      agent: undefined,
      attached: ["screenshot.png"],
      hints: [],
      now
    },
    columns
  )
  const rows = footer.map((each) => each.text).join("\n")
  await expect(`> Which tests are slow?\n${one.text}${two.text}${rows}\n> Also check the\n`).toMatchFileSnapshot(
    fileOf("chat")
  )
})

it("a request", async () => {
  const asked = {
    askedBy: [
      { agent: "build", task: null },
      { agent: "general", task: "Look for leftovers" }
    ],
    directory: "/home/me/app",
    always: { label: "exactly this command in /home/me/app" },
    createdAt: now - 5_000,
    expiresAt: now + 3_600_000
  }
  const sections = [{ name: "command", format: "command", text: "rm -rf dist coverage\npnpm build" }]
  const card = permissionCard(
    asked,
    { permission: "bash", sections },
    { style: plain, columns, position: " (1 of 2)", now }
  )
  await expect(`${card.text}  your answer: \n`).toMatchFileSnapshot(fileOf("request"))
})

const item = (
  fields: Partial<InboxItem> & { readonly itemId: string; readonly requestId?: PendingRequest["requestId"] }
) => row<InboxItem>({ requestId: null, pinned: false, ...fields })

const inbox = [
  item({
    itemId: row("k57a3c9d"),
    kind: "asked",
    at: now - 5_000,
    title: "Slow tests",
    subject: "bash: rm -rf dist coverage"
  }),
  item({
    itemId: row("k57b8e1f"),
    kind: "gone",
    at: now - 7_200_000,
    title: null,
    subject: "old-desktop, /srv/tools"
  }),
  item({
    itemId: row("k58c2d4a"),
    kind: "finished",
    at: now - 90_000,
    title: "Release notes",
    subject: "Write the notes"
  })
]

it("inbox", async () => {
  const shown = table(
    inboxColumns(inbox, (at) => age(now - at)),
    inbox,
    { style: plain, width: columns }
  )
  await expect(shown.text).toMatchFileSnapshot(fileOf("inbox"))
})

it("watch", async () => {
  const worker = (fields: Partial<Worker>) =>
    row<Worker>({
      approval: "approved",
      lastSeenAt: now,
      running: 0,
      queued: 0,
      phase: "Ready",
      online: true,
      ...fields
    })
  const rows = watchRows(
    {
      isConnected: true,
      workers: [
        worker({
          machine: "build-server",
          directory: "/home/me/app",
          running: 2,
          queued: 1,
          info: row({ branch: "main" })
        }),
        worker({ machine: "laptop", directory: "/home/me/site", info: row({ branch: "redesign" }) }),
        worker({ machine: "old-desktop", directory: "/srv/tools", online: false, lastSeenAt: now - 7_200_000 })
      ],
      inbox
    },
    plain,
    { columns, rows: 30 },
    now
  )
  await expect(`${rows.join("\n")}\n`).toMatchFileSnapshot(fileOf("watch"))
})

const workerReport = (fields: Partial<WorkerReport>): WorkerReport => ({
  directory: "/home/me/app",
  deployment: "https://happy-otter-123.convex.cloud",
  state: "Ready",
  detail: null,
  healthy: true,
  workerId: "js70d25",
  epoch: 3,
  connected: true,
  opencode: { version: "1.18.33", running: true },
  turns: { running: 2, queued: 1 },
  openRequests: 1,
  ...fields
})

it("status", async () => {
  const failed = workerReport({
    directory: "/home/me/site",
    state: "Failed",
    detail: "The directory /home/me/site does not exist.",
    healthy: false,
    epoch: null,
    connected: false,
    opencode: { version: null, running: false },
    turns: { running: 0, queued: 0 },
    openRequests: 0
  })
  const report = { pid: 2193, version: "1.0.0", startedAt: now - 7_200_000, workers: [workerReport({}), failed] }
  const lines = processLines({ pid: 2193, report }, plain, now)
  await expect(`${lines.map(({ text: shown }) => shown).join("\n")}\n`).toMatchFileSnapshot(fileOf("status"))
})

it("doctor", async () => {
  const findings = [
    ok("directory", "/home/me/app"),
    ok("Node.js", "26.10.0"),
    warning("OpenCode", "/usr/bin/opencode is 1.17.9", "Upgrade yours (opencode upgrade): it may fail otherwise"),
    problem("deployment", "https://happy-otter-123.convex.cloud does not respond", "Check the address and the network")
  ]
  const lines = findings.map((finding) => findingLine(finding, plain).text)
  await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(fileOf("doctor"))
})
