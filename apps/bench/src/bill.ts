/**
 * The calls and bytes that Convex would bill for a day of one worker and one operator: the turns of a day, of which a few are
 * watched, and the minutes between them. One turn of each kind and one idle minute are measured, and multiplied.
 */
import { setTimeout } from "node:timers/promises"
import type { Client, SessionId } from "@opencode-worker/client"
import { createClient } from "@opencode-worker/client"
import { type Deployment, startDeployment, startWorker } from "@opencode-worker/harness"
import { type ChatRequest, openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
import { type Day, day, type Measured, measure } from "./billOfDay.ts"
import type { Line } from "./report.ts"

/** 50 prompts with 4 tool calls each, 8 of them watched; the worker is online for 24 hours. */
const typical: Day = { watched: 8, unwatched: 42, minutes: 24 * 60 }

const tools = 4
const words = Array.from({ length: 200 }, (_, index) => `word${index}`).join(" ")

/** Four commands with a little output, one after another, then an answer of 200 tokens. */
const script = ({ toolResults }: ChatRequest) =>
  toolResults.length < tools
    ? Reply.toolCall("bash", { command: "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done", description: "work" })
    : Reply.text(words, { every: 20 })

const ask = async (counted: Client, waiting: Client, sessionId: SessionId, isWatched: boolean) => {
  if (isWatched) {
    const turn = counted.prompt(sessionId, "Do it")
    for await (const view of turn) if (view.end !== null) return view.status
    return (await turn.result).status
  }
  const turnId = await counted.turns.send(sessionId, "Do it")
  return (await waiting.turns.follow(turnId, { watch: false }).result).status
}

/** The traffic of `count` turns, as one turn. */
const turns = async (
  deployed: Deployment,
  counted: Client,
  waiting: Client,
  sessionId: SessionId,
  isWatched: boolean,
  count: number
): Promise<Measured> => {
  await deployed.traffic()
  for (let turn = 0; turn < count; turn++) {
    const status = await ask(counted, waiting, sessionId, isWatched)
    if (status !== "completed") throw new Error(`A turn is ${status}`)
  }
  return measure(await deployed.traffic(), count)
}

export async function* bill(quick: boolean): AsyncGenerator<Line> {
  await using provider = await scriptedProvider(script, { keep: 0 })
  await using home = await openCodeHome({ config: provider.config })
  const { directory, environment, root } = home
  await using deployed = await startDeployment(`${root}/deployment`)
  await using worker = startWorker({
    url: deployed.counted,
    data: `${root}/worker`,
    directory,
    environment
  })
  const [, code = ""] = await worker.prints(/^Pairing code\s+(\S+)/m)
  const { token, url } = deployed
  await using waiting = createClient({ url, auth: token })
  const workerId = await waiting.workers.approve(code)
  await worker.prints(/^Ready/m)
  await using counted = createClient({ url: deployed.counted, auth: token })
  const sessionId = await counted.sessions.create(workerId, { title: "Bench" })
  // The first turn creates the session in OpenCode, which is not measured.
  await ask(counted, waiting, sessionId, false)

  const seconds = quick ? 12 : 120
  await deployed.traffic()
  await setTimeout(seconds * 1_000)
  const minute = measure(await deployed.traffic(), seconds / 60)
  const unwatched = await turns(deployed, counted, waiting, sessionId, false, quick ? 1 : 5)
  const watched = await turns(deployed, counted, waiting, sessionId, true, quick ? 1 : 3)
  yield { bench: "bill", of: "idle minute", ...minute }
  yield { bench: "bill", of: "unwatched turn", ...unwatched }
  yield { bench: "bill", of: "watched turn", ...watched }
  yield { bench: "bill", of: "day", ...day(typical, { minute, unwatched, watched }) }
}
