/**
 * Concurrent operators of one worker that read their answers live: the time to the first text, later text and the end, next
 * to the raw event stream of the same OpenCode server for the same turns; the worker's writes; and whether every answer is
 * correct and whole. Every part except the model is real. The model streams at a known pace.
 */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type Deployment, startDeployment, startWorker } from "@opencode-worker/harness"
import { type ChatRequest, openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
import { message } from "./embedded/deployment.ts"
import { floorSteps } from "./product/floorSteps.ts"
import { listen, type OpenCode, type OpenCodeEvent, serveOpenCode } from "./product/opencode.ts"
import { connectTo, operator, type Seen, type Sighting } from "./product/operator.ts"
import { cpuSeconds } from "./product/worker.ts"
import type { Line } from "./report.ts"
import { median, percentile, round } from "./statistics.ts"

interface Case {
  readonly operators: number
  /** Prompts of each operator, one after another. */
  readonly rounds: number
  /** Tokens of an answer. Each is a word and an event of OpenCode. */
  readonly tokens: number
  /** Milliseconds between two tokens. */
  readonly every: number
  /** Lines of a command that runs before the answer, at 20 a second. */
  readonly lines?: number
}

const cases = (quick: boolean): ReadonlyArray<Case> =>
  quick
    ? [
        { operators: 1, rounds: 2, tokens: 40, every: 10 },
        { operators: 3, rounds: 1, tokens: 40, every: 10 },
        { operators: 1, rounds: 1, tokens: 40, every: 10, lines: 100 }
      ]
    : [
        { operators: 1, rounds: 5, tokens: 1000, every: 20 },
        { operators: 8, rounds: 2, tokens: 1000, every: 40 },
        { operators: 50, rounds: 1, tokens: 200, every: 100 },
        { operators: 1, rounds: 2, tokens: 1000, every: 20, lines: 200 }
      ]

const prompt = (turn: string, { every, lines = 0, tokens }: Case) =>
  `turn=${turn} tokens=${tokens} every=${every} lines=${lines}`
const asked = /turn=(\S+) tokens=(\d+) every=(\d+) lines=(\d+)/

/** A line of the command's output. */
const line = "the command does some work in step"
const chatty = (lines: number) =>
  Reply.toolCall("bash", {
    command: `for step in $(seq 1 ${lines}); do echo ${line} $step; sleep 0.05; done`,
    description: "work"
  })

/** No two answers have a word in common. */
const answer = (turn: string, tokens: number) =>
  Array.from({ length: tokens }, (_, index) => `${turn}.${index}`).join(" ")

const script = ({ lastUserText, messages }: ChatRequest) => {
  const [, turn = "", tokens, every, lines] = asked.exec(lastUserText) ?? []
  if (Number(lines) > 0 && messages.at(-1)?.role !== "tool") return chatty(Number(lines))
  return Reply.text(answer(turn, Number(tokens)), { every: Number(every) })
}

export async function* stream(quick: boolean): AsyncGenerator<Line> {
  await using provider = await scriptedProvider(script, { keep: 0 })
  await using home = await openCodeHome({ config: provider.config })
  const { directory, environment, root } = home
  await using openCode = await serveOpenCode(home)
  await using deployed = await startDeployment(`${root}/deployment`)
  await using worker = startWorker({
    url: deployed.counted,
    data: `${root}/worker`,
    directory,
    environment: { ...environment, OPENCODE_SERVER_PASSWORD: openCode.password },
    flags: ["--attach", openCode.url]
  })
  const [, code = ""] = await worker.prints(/^Pairing code\s+(\S+)/m)
  await using first = connectTo(deployed)
  const workerId = await first.workers.approve(code)
  await worker.prints(/^Ready/m)

  const raw = rawText()
  using _ = await listen(openCode, raw.onEvent)
  using floor = await startFloor(openCode, directory, deployed.url)

  for (const each of cases(quick)) {
    await using cleanup = new AsyncDisposableStack()
    const connections = Array.from({ length: each.operators }, () => connectTo(deployed))
    for (const connection of connections) cleanup.use(connection)
    /** Each operator has one session. Operators prompt concurrently, each of them sequentially. */
    const ask = async (isReading: boolean, rounds: number) => {
      const operators = await Promise.all(connections.map((client) => operator(client, workerId, isReading)))
      const name = `${each.operators}-${each.lines ?? 0}-${isReading ? "watched" : "unwatched"}`
      // The first turn creates the session in OpenCode, which is not measured.
      await Promise.all(
        operators.map((one, index) => one.ask(prompt(`${name}-${index}`, { ...each, tokens: 1, lines: 0 })))
      )
      await deployed.traffic()
      const [cpuBefore, floorBefore] = [await cpuSeconds(worker), await floor.cpuSeconds()]
      const answers = await Promise.all(
        operators.map(async (one, index) => {
          const own: Array<Answer> = []
          for (let time = 0; time < rounds; time++) {
            const turn = `${name}-${index}-${time}`
            own.push({ turn, ...(await one.ask(prompt(turn, each))) })
          }
          return own
        })
      )
      const workerCpuSeconds = (await cpuSeconds(worker)) - cpuBefore
      const floorAfter = await floor.cpuSeconds()
      const floorCpuSeconds = floorAfter.map((seconds, step) => seconds - (floorBefore[step] ?? 0))
      return { answers: answers.flat(), traffic: await deployed.traffic(), workerCpuSeconds, floorCpuSeconds }
    }
    const watched = await ask(true, each.rounds)
    const unwatched = await ask(false, 1)

    const answers = [...watched.answers, ...unwatched.answers]
    const isCorrect = ({ final, status, streamed, turn }: Answer) =>
      status === "completed" && final === answer(turn, each.tokens) && final.startsWith(streamed)
    yield {
      bench: "stream",
      ...each,
      turns: answers.length,
      correct: answers.filter(isCorrect).length,
      ...latencies(watched.answers, raw.of),
      ...writes(watched),
      callsPerTurnWatched: callsPerTurn(watched),
      callsPerTurnUnwatched: callsPerTurn(unwatched),
      streamedBytesPerTurnWatched: streamedBytes(watched),
      streamedBytesPerTurnUnwatched: streamedBytes(unwatched),
      outputSeen: Math.max(...watched.answers.map(({ output }) => output))
    }
  }
}

type Answer = Seen & { readonly turn: string }

/** Turns, and the worker's cost of them. */
interface Phase {
  readonly answers: ReadonlyArray<Answer>
  readonly traffic: Awaited<ReturnType<Deployment["traffic"]>>
  readonly workerCpuSeconds: number
  /** Of each step. */
  readonly floorCpuSeconds: ReadonlyArray<number>
}

/** A process for each step of `product/floor.ts`. */
const startFloor = async ({ password, url }: OpenCode, directory: string, deployment: string) => {
  const program = fileURLToPath(new URL("product/floor.ts", import.meta.url))
  const children = floorSteps.map((step) => fork(program, [url, password, directory, deployment, step]))
  await Promise.all(children.map((child) => message(child)))
  return {
    cpuSeconds: () =>
      Promise.all(
        children.map((child) => {
          child.send("cpu")
          return message<number>(child)
        })
      ),
    [Symbol.dispose]: () => children.forEach((child) => child.disconnect())
  }
}

/** Times of each turn's text in OpenCode's own event stream. */
const rawText = () => {
  const turnOf = new Map<string, string>()
  const texts = new Map<string, Array<Sighting>>()
  return {
    onEvent: ({ properties: { delta = "", field, part, sessionID = "" }, type }: OpenCodeEvent) => {
      if (type === "message.part.updated" && part?.type === "text") {
        const [, turn] = asked.exec(part.text ?? "") ?? []
        if (turn === undefined) return
        turnOf.set(sessionID, turn)
        texts.set(turn, texts.get(turn) ?? [])
      } else if (type === "message.part.delta" && field === "text") {
        const text = texts.get(turnOf.get(sessionID) ?? "")
        text?.push({ at: performance.now(), characters: (text.at(-1)?.characters ?? 0) + delta.length })
      }
    },
    of: (turn: string): ReadonlyArray<Sighting> => texts.get(turn) ?? []
  }
}

const latencies = (answers: ReadonlyArray<Answer>, rawOf: (turn: string) => ReadonlyArray<Sighting>) => {
  const ours: Array<number> = []
  const raw: Array<number> = []
  const added: Array<number> = []
  const later: Array<number> = []
  for (const { doneAt, sentAt, text, turn } of answers) {
    const [first, ...rest] = rawOf(turn)
    if (first === undefined) continue
    const shown = (characters: number) => text.find((sighting) => sighting.characters >= characters)?.at ?? doneAt
    ours.push(shown(1) - sentAt)
    raw.push(first.at - sentAt)
    added.push(shown(first.characters) - first.at)
    for (const sighting of rest) later.push(shown(sighting.characters) - sighting.at)
  }
  return {
    firstTextP50Ms: round(median(ours)),
    firstTextP99Ms: round(percentile(ours, 0.99)),
    rawFirstTextP50Ms: round(median(raw)),
    rawFirstTextP99Ms: round(percentile(raw, 0.99)),
    addedP50Ms: round(median(added)),
    addedP99Ms: round(percentile(added, 0.99)),
    laterP50Ms: round(median(later)),
    laterP99Ms: round(percentile(later, 0.99)),
    doneP50Ms: round(median(answers.map(({ doneAt, sentAt }) => doneAt - sentAt)))
  }
}

const writes = ({ answers, floorCpuSeconds, traffic: { bytes, mutations }, workerCpuSeconds }: Phase) => {
  const from = Math.min(...answers.map(({ sentAt }) => sentAt))
  const to = Math.max(...answers.map(({ doneAt }) => doneAt))
  const textBytes = answers.reduce((sum, { final }) => sum + Buffer.byteLength(final), 0)
  const perMegabyte = (seconds: number) => round((seconds * 1e6) / textBytes)
  return {
    mutationsPerSecond: round(((mutations["queue:appendDeltas"] ?? 0) / (to - from)) * 1000),
    bytesWritten: bytes,
    textBytes,
    workerCpuSeconds: round(workerCpuSeconds),
    cpuPerMegabyte: perMegabyte(workerCpuSeconds),
    floorCpuPerMegabyte: Object.fromEntries(
      floorSteps.map((step, index) => [step, perMegabyte(floorCpuSeconds[index] ?? 0)])
    )
  }
}

/** Of live text, output of tools included. */
const streamedBytes = ({ answers, traffic: { mutationBytes } }: Phase) =>
  Math.round((mutationBytes["queue:appendDeltas"] ?? 0) / answers.length)

/** Periodic calls of the worker, which do not depend on turns. */
const background = ["lease:heartbeat", "sync:apply", "sync:diff"]

/** All other calls of the worker, and each result of its subscriptions. */
const callsPerTurn = ({ answers, traffic: { mutations, results } }: Phase) => {
  const counts = [...Object.entries(mutations), ...Object.entries(results)]
  const calls = counts.reduce((sum, [name, count]) => sum + (background.includes(name) ? 0 : count), 0)
  return round(calls / answers.length)
}
