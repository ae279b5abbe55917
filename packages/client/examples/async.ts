/** Sends a prompt to the first worker that is online, and prints the answer while it is written. */
import { createClient, TurnView } from "@opencode-worker/client"

const auth = () => Promise.resolve(process.env["OPENCODE_WORKER_TOKEN"] ?? null)
await using client = createClient({ url: process.env["OPENCODE_WORKER_URL"] ?? "http://127.0.0.1:3210", auth })

const worker = (await client.workers.list()).find(({ online }) => online)
if (worker === undefined) throw new Error("Start a worker and approve it first: opencode-worker start")
const turn = client.prompt(await client.sessions.create(worker.workerId), "Say hello.")
for await (const view of turn) console.log(view.status, TurnView.answer(view))
const { end } = await turn.result
console.log(end.outcome, end.answeredBy?.model)
