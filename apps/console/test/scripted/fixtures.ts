/** The state of a deployment with three machines. */
import {
  contents,
  day,
  diff,
  edited,
  entryOf,
  firstParts,
  type Given,
  item,
  longParts,
  minutes,
  type Part,
  record,
  request,
  secondParts,
  shortParts,
  session,
  text,
  tool,
  turnRow,
  worker
} from "./rows.ts"
import { catalogOfModels, catalogOfNames, transcript } from "./offers.ts"

export type Scenario = "full" | "empty" | "loading" | "failing" | "read" | "long" | "picture"

export const fixtures = (scenario: Scenario) => {
  const isEmpty = scenario === "empty"
  const parts: Record<string, ReadonlyArray<Part>> = { turn1: firstParts, turn2: secondParts, turn4: shortParts }
  // Without hostile text.
  if (scenario === "picture") parts["turn1"] = firstParts.slice(0, -1)
  const answered = { model: "anthropic/claude-sonnet-4-5", agent: "build" }
  const usage = { input: 12_400, output: 1_800, reasoning: 0, cost: 0.0812 }
  const done = { answeredBy: answered, usage, version: "1.1", finishedAt: minutes(3) }
  let turns = [
    turnRow({
      turnId: "turn1",
      seq: 1,
      head: "Totals are off by one cent for 3 × 0.335. Find out why and fix it.",
      fileCount: scenario === "picture" ? 0 : 2,
      parts: 5,
      ...done
    }),
    turnRow({ turnId: "turn2", seq: 2, head: "Run the linter too.", parts: 5, ...done }),
    turnRow({ turnId: "turn3", seq: 3, head: "Now run all tests.", status: "running" }),
    turnRow({ turnId: "turn5", seq: 4, head: "Then write the changelog entry.", status: "queued" }),
    turnRow({
      turnId: "turn4",
      seq: 1,
      sessionId: "session3",
      head: "Upgrade everything.",
      parts: 3,
      ...done,
      status: "failed",
      error: { name: "ProviderError", message: "429, gave up after 6 tries" }
    })
  ].map((each) => ({ ...each, length: each.head.length }))
  if (scenario === "long") {
    turns = Array.from({ length: 10 }, (_, index) => {
      parts[`long${index}`] = longParts(1_000)
      return turnRow({
        turnId: `long${index}`,
        seq: index + 1,
        head: `Prompt ${index}`,
        length: 8,
        parts: 1_000,
        ...done
      })
    })
  }
  const full = {
    inbox: [
      item("item1", { kind: "asked", requestId: "request1", subject: "bash: pnpm test --filter cart" }),
      item("item2", {
        kind: "asked",
        requestId: "request2",
        workerId: "worker2",
        sessionId: "session2",
        title: "New pricing page",
        subject: "question: Which currency comes first?",
        at: minutes(9)
      }),
      item("item3", { kind: "asked", requestId: "request3", subject: "edit: src/cart/total.ts", at: minutes(12) }),
      item("item6", {
        kind: "gone",
        workerId: "worker3",
        sessionId: null,
        title: null,
        subject: "1 turn interrupted",
        at: minutes(180)
      }),
      item("item4", {
        kind: "failed",
        sessionId: "session3",
        title: "Upgrade dependencies",
        subject: "provider: 429, gave up after 6 tries",
        at: minutes(62)
      }),
      item("item5", {
        workerId: "worker2",
        sessionId: "session4",
        title: "Explain the retry logic",
        subject: "",
        at: minutes(125)
      })
    ],
    workers: [
      worker("worker1", "studio", "/home/ann/shop", { running: 1, queued: 1 }),
      worker("worker2", "laptop", "/Users/ann/work/site", { phase: "Paused" }),
      worker("worker3", "ci-box", "/srv/builds/monorepo", {
        online: false,
        lastSeenAt: minutes(190),
        advice: "Update opencode-worker on this machine: npm install -g opencode-worker"
      })
    ],
    sessions: [
      session("session1", "Fix checkout rounding", { status: "running" }),
      session("session2", "New pricing page", { workerId: "worker2", lastActivityAt: minutes(9) }),
      session("session3", "Upgrade dependencies", { lastActivityAt: minutes(62) }),
      session("session4", "Explain the retry logic", { workerId: "worker2", lastActivityAt: minutes(125) }),
      session(
        "session6",
        "チェックアウトの端数処理を修正し、すべての通貨でテストを追加する（小数点以下の桁数も確認）",
        {
          workerId: "worker2",
          lastActivityAt: minutes(3_000)
        }
      ),
      session("session5", "A title that is much too long for the width of any phone and even for a pane", {
        workerId: "worker3",
        lastActivityAt: minutes(2_000)
      })
    ].slice(0, scenario === "picture" ? 4 : 6),
    requests: [
      request("request1", { subject: "bash: pnpm test --filter cart" }),
      request("request2", {
        sessionId: "session2",
        kind: "question",
        permission: null,
        subject: "question: Which currency comes first?",
        askedBy: []
      }),
      request("request3", {
        permission: "edit",
        subject: "edit: src/cart/total.ts",
        always: { label: "every edit in this project" }
      }),
      request("request4", {
        sessionId: "session2",
        kind: "question",
        permission: null,
        subject: "question: Which pages?",
        askedBy: [{ agent: "build", task: null }],
        expiresAt: null
      })
    ],
    found: [
      {
        sessionId: "session1",
        turnId: "turn1",
        workerId: "worker1",
        title: "Fix checkout rounding",
        at: minutes(20),
        kind: "prompt",
        snippet: "Totals are off by one cent for 3 × 0.335. Find out why"
      },
      {
        sessionId: "session2",
        turnId: "turn8",
        workerId: "worker2",
        title: "New pricing page",
        at: minutes(2_000),
        kind: "answer",
        snippet: "… show the totals with one decimal less than the cart does …"
      }
    ],
    usage: [
      day(0, {}),
      day(0, { model: "openai/gpt-5", workerId: "worker2", cost: 0.4 }),
      day(1, { cost: 2.05, turns: 17 }),
      day(3, { cost: 0.2 }),
      day(5, { cost: 1.6, workerId: "worker2" })
    ],
    devices: [
      {
        deviceId: "device1",
        name: "Phone",
        scope: "operate",
        createdAt: minutes(9_000),
        lastSeenAt: minutes(1),
        revokedAt: null
      },
      {
        deviceId: "device2",
        name: "Tablet",
        scope: "read",
        createdAt: minutes(9_000),
        lastSeenAt: minutes(4_000),
        revokedAt: null
      }
    ],
    approvals: [
      {
        approvalId: "approval1",
        workerId: "worker1",
        reach: "always",
        within: "worker1",
        permission: "edit",
        label: "every edit in this project",
        subject: "edit: src/cart/total.ts",
        approvedBy: "operator",
        createdAt: minutes(700)
      }
    ],
    targets: [
      {
        targetId: "target1",
        kind: "ntfy",
        url: "https://ntfy.sh/agents",
        hasSecret: false,
        wants: [],
        content: false,
        deviceId: null,
        createdAt: minutes(10),
        lastSentAt: minutes(9),
        lastError: { at: minutes(9), message: "HTTP 403" }
      }
    ]
  }
  const none: typeof full = {
    inbox: [],
    workers: [],
    sessions: [],
    requests: [],
    found: [],
    usage: [],
    devices: [],
    approvals: [],
    targets: []
  }
  return {
    ...(isEmpty ? none : full),
    turns: isEmpty ? [] : turns,
    todos: isEmpty
      ? []
      : [
          { content: "Find the rounding", status: "completed", priority: "high" },
          { content: "Sum before rounding", status: "completed", priority: "high" },
          { content: "Add a test for half cents", status: "in_progress", priority: "medium" },
          { content: "Run all tests", status: "pending", priority: "low" }
        ],
    models: isEmpty ? null : catalogOfModels,
    catalog: isEmpty ? null : catalogOfNames,
    keys: new Map<string, string>(),
    commands: {} as Record<string, string>,
    contents,
    changes: isEmpty
      ? null
      : {
          truncated: false,
          patch: edited,
          files: [
            { file: "src/cart/total.ts", status: "modified", additions: 3, deletions: 3, hash: "1" },
            { file: "test/total.test.ts", status: "added", additions: 3, deletions: 0, hash: "2" }
          ]
        },
    undo: [
      { file: "src/cart/total.ts", status: "modified", changed: false },
      { file: "test/total.test.ts", status: "added", changed: true }
    ],
    queries: {
      findFiles: { files: isEmpty ? [] : ["src/cart/total.ts", "test/total.test.ts"] },
      readFile: {
        path: "src/cart/total.ts",
        size: 1_240,
        text: "export const total = (cart: Cart) =>\n  round(sum(cart.lines))\n",
        truncated: false
      },
      diff: {
        files: isEmpty
          ? []
          : [{ file: "src/cart/total.ts", status: "modified", additions: 3, deletions: 3, patch: diff }],
        truncated: false
      },
      subAgent: transcript,
      status: {
        running: true,
        mcp: [{ name: "github", status: "connected", error: null }],
        lsp: [{ name: "typescript", root: ".", status: "connected" }]
      }
    } as Record<string, unknown>,
    /** As the deployment makes it: without the steps. */
    outlines: (turnId: string) =>
      (parts[turnId] ?? []).map(entryOf).filter(({ kind }) => kind !== "step-start" && kind !== "step-finish"),
    count: (turnId: string) => parts[turnId]?.length ?? 0,
    part: (turnId: string, index: number) => {
      const part = parts[turnId]?.[index]
      return part === undefined ? null : { index, kind: part.kind, payload: JSON.stringify(part.payload) }
    },
    addTurn(given: Given) {
      const seq = Math.max(0, ...this.turns.map((each) => each.seq)) + 1
      this.turns = [...this.turns, turnRow({ status: "queued", ...given, seq })]
    },
    endTurn(turnId: string) {
      parts[turnId] = [
        record("r1", "step-start"),
        tool("s1", "bash", "pnpm test", "all passed", 12_000),
        text("s2", "All tests pass."),
        record("r2", "step-finish"),
        record("r3", "patch")
      ]
      this.turns = this.turns.map((each) =>
        each.turnId === turnId ? { ...each, ...done, status: "completed", parts: 3, version: "1.2" } : each
      )
    }
  }
}
