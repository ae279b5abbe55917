/**
 * The steps between a row behind a WebSocket and the deployment: `node ladder.ts <rung> <file> <documents>`. Each rung adds
 * one thing that a mutation needs; nothing is checked, limited, isolated, recorded or watched.
 *
 * - `client`: the messages of the Convex client, answered at once. The row is written in the same thread.
 * - `thread`: one message to the thread that writes the row, and one back.
 * - `function`: the thread runs the function as the `convex` package does, and stores its document as the row.
 * - `commit`: the thread commits what Convex has to store: the document, its index entries and the answer of the request.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { createServer } from "node:http"
import { type WebSocket, WebSocketServer } from "ws"
import { insert } from "./convex/documents.ts"
import { documentTables, rowTable, type Tables, text } from "./tables.ts"

interface Request {
  readonly type: string
  readonly newVersion: number
  readonly requestId: number
  readonly args: ReadonlyArray<unknown>
}

interface Task {
  readonly id: number
  readonly args: unknown
}

interface Done {
  readonly id: number
  readonly json: string
}

const SOME_ID = "x".repeat(31)

type Write = (args: unknown) => Promise<string>

const writeRow =
  (tables: Tables): Write =>
  async (args) => {
    tables.insert(SOME_ID, { ...Object(args), _creationTime: Date.now(), _id: SOME_ID, text })
    return JSON.stringify(SOME_ID)
  }

const runFunction = (tables: Tables): Write => {
  let documents = 0
  Object.assign(globalThis, {
    Convex: {
      asyncSyscall: async (_operation: string, argument: string) => {
        const _id = String(++documents).padStart(31, "0")
        tables.insert(_id, { ...JSON.parse(argument).value, _id, _creationTime: Date.now() })
        return JSON.stringify({ _id })
      }
    }
  })
  const run: unknown = Reflect.get(insert, "invokeMutation")
  if (typeof run !== "function") throw new Error("The convex package runs mutations in another way")
  return async (args) => {
    const json: string = await run(JSON.stringify([args]))
    tables.commit(json)
    return json
  }
}

const inThread = (data: Data): Write => {
  const thread = new Worker(new URL(import.meta.url), { workerData: data })
  const waiting = new Map<number, (json: string) => void>()
  let tasks = 0
  thread.on("message", ({ id, json }: Done) => {
    waiting.get(id)?.(json)
    waiting.delete(id)
  })
  return (args) =>
    new Promise((done) => {
      waiting.set(++tasks, done)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.postMessage({ args, id: tasks } satisfies Task)
    })
}

const encodeTs = (ts: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(ts))
  return bytes.toString("base64")
}

const accept = (socket: WebSocket, write: Write) => {
  let version = { identity: 0, querySet: 0, ts: encodeTs(0) }
  let commits = 0
  const transition = (querySet: number) => {
    const next = { identity: 0, querySet, ts: encodeTs(commits) }
    socket.send(JSON.stringify({ endVersion: next, modifications: [], startVersion: version, type: "Transition" }))
    version = next
  }
  socket.on("message", async (data: Buffer) => {
    const { args, newVersion, requestId, type }: Request = JSON.parse(data.toString("utf8"))
    if (type === "ModifyQuerySet") return transition(newVersion)
    if (type !== "Mutation") return
    const result = await write(args[0])
    const head = JSON.stringify({
      logLines: [],
      requestId,
      success: true,
      ts: encodeTs(++commits),
      type: "MutationResponse"
    })
    socket.send(`${head.slice(0, -1)},"result":${result}}`)
    transition(version.querySet)
  })
}

interface Data {
  readonly rung: string
  readonly file: string
  readonly documents: number
}

const serve = (data: Data) => {
  const write = data.rung === "client" ? writeRow(rowTable(data.file)) : inThread(data)
  const server = createServer()
  new WebSocketServer({ server }).on("connection", (socket) => accept(socket, write))
  const report = () => {
    const address = server.address()
    const { system, user } = process.cpuUsage()
    if (typeof address === "object") process.send?.({ cpuMs: (system + user) / 1000, port: address?.port })
  }
  process.on("message", report)
  process.on("disconnect", () => process.exit())
  server.listen(0, "127.0.0.1", report)
}

const work = ({ documents, file, rung }: Data) => {
  const tables = rung === "commit" ? documentTables(file, documents) : rowTable(file)
  const write = rung === "thread" ? writeRow(tables) : runFunction(tables)
  parentPort?.on("message", async ({ args, id }: Task) => {
    const json = await write(args)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage({ id, json } satisfies Done)
  })
}

if (!isMainThread) work(workerData)
else {
  const [rung = "", file = "", documents] = process.argv.slice(2)
  serve({ documents: Number(documents), file, rung })
}
