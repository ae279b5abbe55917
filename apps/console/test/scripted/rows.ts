/** Rows of a scripted deployment, and the parts of its turns. */
export const clock = Date.now()
export const minutes = (count: number) => clock - count * 60_000

const turnDefaults = {
  sessionId: "session1",
  head: "",
  length: 0,
  model: null,
  agent: null,
  variant: null,
  delivery: "queue",
  command: null,
  budget: null,
  fileCount: 0,
  status: "completed",
  undone: false,
  error: null as { name: string; message: string } | null,
  usage: null as object | null,
  answeredBy: null as { model: string; agent: string } | null,
  parts: 0,
  version: null as string | null,
  createdAt: minutes(5),
  finishedAt: null as number | null
}

export type Given = Partial<typeof turnDefaults> & { readonly turnId: string }

export const turnRow = (given: Given & { readonly seq: number }) => ({ ...turnDefaults, ...given })

export const text = (id: string, content: string) => ({ id, kind: "text", payload: { id, text: content } })
/** With which OpenCode records a step, or the files that it changed. */
export const record = (id: string, kind: string) => ({ id, kind, payload: { id, type: kind } })
export const tool = (
  id: string,
  name: string,
  title: string,
  output: string,
  millis: number,
  status = "completed"
) => ({
  id,
  kind: "tool",
  payload: {
    id,
    tool: name,
    state: {
      status,
      title,
      input: { command: title },
      ...(status === "error" ? { error: output } : { output }),
      time: { start: 0, end: millis }
    }
  }
})

const markdown = `The cart rounds **each line** before it sums. I will round once, at the end, and keep integers of tenths of a cent until then.

1. \`total.ts\` sums before it rounds
2. a test for half cents

\`\`\`ts
export const total = (cart: Cart) => round(sum(cart.lines.map((l) => l.price * l.n * 1000)) / 1000)
\`\`\`

See the [rules](https://example.com/rules). | is no table.`

const hostile = `<img src=x onerror="alert(1)"> <script>alert(2)</script> [go](javascript:alert(3)) ![pixel](https://tracker.test/p.png) [bank](https://bank.test@evil.test/) \u202Egnp.exe\u202C \u0007`

export const diff = `Index: src/cart/total.ts
===================================================================
--- src/cart/total.ts
+++ src/cart/total.ts
@@ -12,7 +12,7 @@ export const total
   const lines = cart.lines
-    .map((l) => round(l.price * l.n))
-    .reduce(sum, 0)
+    .map((l) => l.price * l.n * 1000)
+    .reduce(sum, 0)
 
-  return lines
+  return round(lines / 1000)
`

export const edited = `diff --git a/src/cart/total.ts b/src/cart/total.ts
${diff.split("\n").slice(2).join("\n")}diff --git a/test/total.test.ts b/test/total.test.ts
--- /dev/null
+++ b/test/total.test.ts
@@ -0,0 +1,3 @@
+it("keeps half cents", () => {
+  expect(total(cart(3, 0.335))).toBe(1.01)
+})
`

export type Part = { readonly id: string; readonly kind: string; readonly payload: Record<string, unknown> }

/** A tool that returned an image. */
const withImage = ({ payload, ...part }: ReturnType<typeof tool>, url: string): Part => ({
  ...part,
  payload: { ...payload, state: { ...payload.state, attachments: [{ type: "file", mime: "image/png", url }] } }
})

export const firstParts: ReadonlyArray<Part> = [
  text("a1", "I will look for the place where the totals are rounded."),
  tool("a2", "grep", "Math.round in src/cart", "src/cart/total.ts:14", 200),
  tool("a3", "read", "src/cart/total.ts", "const lines = cart.lines", 30),
  text("a4", markdown),
  text("a5", hostile)
]

export const secondParts: ReadonlyArray<Part> = [
  { id: "b0", kind: "reasoning", payload: { id: "b0", text: "Half cents need care." } },
  tool("b1", "edit", "src/cart/total.ts", "ok", 90),
  tool("b2", "bash", "pnpm lint", "error: unused import", 3_200, "error"),
  {
    id: "b4",
    kind: "tool",
    payload: {
      id: "b4",
      tool: "task",
      state: {
        status: "completed",
        title: "Read the tax rules",
        input: { subagent_type: "explore", description: "Read the tax rules", prompt: "How are taxes rounded?" },
        output: "They are rounded per line.",
        metadata: { sessionId: "ses_child" },
        time: { start: 0, end: 8_000 }
      }
    }
  },
  text("b3", "The lint error is fixed as well.")
]

/** A turn with many parts, whose rows have different heights. */
export const longParts = (count: number): ReadonlyArray<Part> =>
  Array.from({ length: count }, (_, index) =>
    index % 3 === 0
      ? text(`l${index}`, `Step ${index}. ${"The files are read one after another. ".repeat(1 + (index % 5))}`)
      : tool(`l${index}`, "read", `src/file-${index}.ts`, "text", index)
  )

/** Few parts, and an image. */
export const shortParts: ReadonlyArray<Part> = [
  ...longParts(2),
  withImage(tool("d2", "read", "docs/cart.png", "Image read successfully", 50), "storage:file3")
]

export const entryOf = ({ id, kind, payload }: Part, index: number) => {
  const state = (payload["state"] ?? {}) as {
    title?: string
    status?: string
    time?: { end: number }
    attachments?: ReadonlyArray<unknown>
  }
  const content = typeof payload["text"] === "string" ? payload["text"] : ""
  return {
    index,
    id,
    kind,
    bytes: JSON.stringify(payload).length,
    head: kind === "tool" ? "" : content.slice(0, 200),
    ...(kind === "tool" && {
      tool: String(payload["tool"]),
      title: state.title,
      status: state.status,
      duration: state.time?.end,
      ...(payload["tool"] === "task" && { child: "ses_child" }),
      ...(state.attachments !== undefined && { files: state.attachments.length })
    })
  }
}

export const request = (requestId: string, given: object) => ({
  requestId,
  sessionId: "session1",
  turnId: "turn3",
  opencodeId: requestId,
  kind: "permission",
  permission: "bash",
  subject: "",
  askedBy: [
    { agent: "build", task: null },
    { agent: "explore", task: "read the tax rules" }
  ],
  directory: "/home/ann/shop",
  always: null as { label: string } | null,
  hash: `hash-${requestId}`,
  size: 100,
  createdAt: minutes(2),
  expiresAt: clock + 23 * 3_600_000 + 50 * 60_000 + 30_000,
  ...given
})
export const item = (itemId: string, given: object) => ({
  itemId,
  kind: "finished",
  workerId: "worker1",
  sessionId: "session1" as string | null,
  turnId: null,
  requestId: null as string | null,
  title: "Fix checkout rounding" as string | null,
  subject: "",
  at: minutes(2),
  read: false,
  pinned: false,
  ...given
})
export const worker = (workerId: string, machine: string, directory: string, given: object = {}) => ({
  workerId,
  machine,
  directory,
  approval: "approved",
  phase: "Ready",
  online: true,
  lastSeenAt: null as number | null,
  advice: null as string | null,
  info: {
    version: "0.4.0",
    opencode: { version: "1.18.33", state: "running" },
    branch: "main",
    permissions: "careful",
    shell: workerId === "worker1",
    diskFree: 81_000_000_000,
    databaseBytes: 12_000_000
  },
  running: 0,
  queued: 0,
  ...given
})
export const session = (sessionId: string, title: string, given: object = {}) => ({
  sessionId,
  workerId: "worker1",
  title,
  status: "idle",
  origin: "operator",
  archived: false,
  lastActivityAt: minutes(2),
  ...given
})
export const day = (offset: number, given: object) => ({
  day: new Date(clock - offset * 86_400_000).toISOString().slice(0, 10),
  workerId: "worker1",
  model: "anthropic/claude-sonnet-4-5",
  turns: 8,
  input: 120_000,
  output: 14_000,
  reasoning: 0,
  cacheRead: 410_000,
  cacheWrite: 30_000,
  cost: 1.12,
  ...given
})

/** The contents of the requests. */
export const contents: Readonly<Record<string, unknown>> = {
  request1: {
    kind: "permission",
    permission: "bash",
    sections: [{ name: "command", format: "command", text: "pnpm test --filter cart" }]
  },
  request2: {
    kind: "question",
    questions: [
      {
        question: "Which currency comes first?",
        header: "Currency",
        multiple: false,
        custom: true,
        options: [
          { label: "EUR", description: "" },
          { label: "USD", description: "" }
        ]
      }
    ]
  },
  request3: {
    kind: "permission",
    permission: "edit",
    sections: [
      { name: "files", format: "text", text: "src/cart/total.ts" },
      { name: "diff", format: "diff", text: diff }
    ]
  },
  request4: {
    kind: "question",
    questions: [
      {
        question: "Which pages get the new prices?",
        header: "Pages",
        multiple: true,
        custom: true,
        options: [
          { label: "Landing page", description: "The one with the most visits" },
          { label: "Checkout", description: "Also the mail after it" }
        ]
      }
    ]
  }
}
