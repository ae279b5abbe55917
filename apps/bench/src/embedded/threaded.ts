/**
 * The lower bound of a query whose function runs in a thread: `node:http`, one message to the thread and one back, the
 * function as the `convex` package runs it, and one statement of SQLite. Nothing is checked, limited, isolated or recorded.
 */
import { createServer, type ServerResponse } from "node:http"
import { DatabaseSync } from "node:sqlite"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { get } from "./convex/documents.ts"

interface Question {
  readonly id: number
  readonly args: unknown
}

interface Answer {
  readonly id: number
  readonly json: string
}

const serve = () => {
  const thread = new Worker(new URL(import.meta.url), { workerData: Number(process.argv[2]) })
  const waiting = new Map<number, ServerResponse>()
  let questions = 0
  thread.on("message", ({ id, json }: Answer) => {
    waiting
      .get(id)
      ?.writeHead(200, { "content-type": "application/json" })
      .end(`{"status":"success","logLines":[],"value":${json}}`)
    waiting.delete(id)
  })
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk))
    request.on("end", () => {
      const id = ++questions
      waiting.set(id, response)
      const { args } = JSON.parse(body)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.postMessage({ id, args } satisfies Question)
    })
  })
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    if (typeof address === "object") process.send?.(address?.port)
  })
  process.on("disconnect", () => process.exit())
}

const answer = (documents: number) => {
  const db = new DatabaseSync(":memory:")
  db.exec("CREATE TABLE documents(number INTEGER PRIMARY KEY, json TEXT NOT NULL)")
  db.exec("CREATE TABLE by_number(key INTEGER PRIMARY KEY, document INTEGER NOT NULL)")
  const insert = db.prepare("INSERT INTO documents VALUES (?, ?)")
  const index = db.prepare("INSERT INTO by_number VALUES (?, ?)")
  const document = { _creationTime: 1, _id: "x".repeat(31), channel: "one", text: "x".repeat(200) }
  for (let number = 0; number < documents; number++) {
    insert.run(number, JSON.stringify({ ...document, number }))
    index.run(number, number)
  }
  const find = db.prepare(
    "SELECT json FROM by_number CROSS JOIN documents ON number = document WHERE key >= ? AND key <= ? LIMIT 2"
  )
  let rows: Array<Record<string, unknown>> = []
  const next = () => {
    const row = rows.shift()
    return row === undefined ? '{"value":null,"done":true}' : `{"value":${String(row["json"])},"done":false}`
  }
  Object.assign(globalThis, {
    Convex: {
      asyncSyscall: async () => next(),
      syscall: (operation: string, argument: string) => {
        if (operation !== "1.0/queryStream") return "{}"
        const { value } = JSON.parse(argument).query.source.range[0]
        rows = find.all(value, value)
        return '{"queryId":0}'
      }
    }
  })
  const run: unknown = Reflect.get(get, "invokeQuery")
  if (typeof run !== "function") throw new Error("The convex package runs queries in another way")
  parentPort?.on("message", async ({ args, id }: Question) => {
    const json: string = await run(JSON.stringify(args))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage({ id, json } satisfies Answer)
  })
}

if (isMainThread) serve()
else answer(Number(workerData))
