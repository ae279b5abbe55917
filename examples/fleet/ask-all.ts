/** Sends one prompt to every worker that is online, and prints the answers: `npm run ask "Update the dependencies."` */
import { createClient, TurnView } from "@opencode-worker/client"

const { OPENCODE_WORKER_TOKEN = null, OPENCODE_WORKER_URL: url = "http://127.0.0.1:3210" } = process.env
const [text = "Which tests are slow?"] = process.argv.slice(2)

await using client = createClient({ url, auth: () => Promise.resolve(OPENCODE_WORKER_TOKEN) })
const workers = (await client.workers.list()).filter(({ online }) => online)

await Promise.all(
  workers.map(async ({ directory, machine, workerId }) => {
    const sessionId = await client.sessions.create(workerId)
    const view = await client.prompt(sessionId, text).result
    console.log(`${machine} ${directory}: ${view.end.outcome}\n${TurnView.answer(view)}\n`)
  })
)
