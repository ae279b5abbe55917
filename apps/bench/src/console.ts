/**
 * The web console with a long session, next to OpenCode's own page with the same session of the same OpenCode: opening it,
 * streaming an answer into it, reading back through it, and half a minute without a network. Every part except the model is
 * real. Counts are exact; times are processor time of the page's main thread.
 */
import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import type { Client, SessionId } from "@opencode-worker/client"
import {
  consolePage,
  type Deployment,
  openCodeProgram,
  startDeployment,
  startWorker,
  until
} from "@opencode-worker/harness"
import { launchBrowser, type Page, type TestBrowser } from "@opencode-worker/harness/browser"
import {
  type ChatRequest,
  faultProxy,
  openCodeHome,
  type OpenCodeHomeHandle,
  Reply,
  scriptedProvider
} from "@opencode-worker/testkit"
import { beginCount, countChanged, recordShifts } from "./page/inPage.ts"
import { longSession } from "./page/longSession.ts"
import { partRows, turnRows } from "./page/longRows.ts"
import { countReceived } from "./page/received.ts"
import { openSession, patient, readBack, shownWords, shows } from "./page/sessionPage.ts"
import { recordWork, type Work } from "./page/work.ts"
import { type OpenCode, serveOpenCode } from "./product/opencode.ts"
import { connectTo } from "./product/operator.ts"
import type { Line } from "./report.ts"
import { round } from "./statistics.ts"

interface Sizes {
  readonly parts: number
  readonly turns: number
  /** Tokens of an answer, at 100 a second. */
  readonly tokens: number
  /** Milliseconds without a network. */
  readonly offline: number
}

const sizes = (quick: boolean): Sizes =>
  quick
    ? { parts: 1_000, turns: 2, tokens: 150, offline: 2_000 }
    : { parts: 10_000, turns: 10, tokens: 1_000, offline: 30_000 }

/** Milliseconds between two tokens. */
const pace = 10

/** No two tokens are the same. */
const wordsOf = (name: string, tokens: number) => Array.from({ length: tokens }, (_, index) => `${name}${index}`)
const promptOf = (name: string, tokens: number) => `name=${name} tokens=${tokens}`

const script = ({ lastUserText }: ChatRequest) => {
  const [, name = "", tokens = "0"] = /name=(\w+) tokens=(\d+)/.exec(lastUserText) ?? []
  return Reply.text(wordsOf(name, Number(tokens)).join(" "), { every: pace })
}

const workFields = ({ frames, perFrameP50Ms, perFrameP95Ms, perSecondMs }: Work) => ({
  frames,
  perFrameP50Ms,
  perFrameP95Ms,
  perSecondMs
})

const peerName = "opencode web"

class Bench {
  readonly #browser: TestBrowser["browser"]
  readonly #sizes: Sizes
  readonly #send: (text: string) => Promise<void>

  constructor(browser: TestBrowser["browser"], given: Sizes, send: (text: string) => Promise<void>) {
    this.#browser = browser
    this.#sizes = given
    this.#send = send
  }

  /** The work of a page while an answer streams in, and whether it shows all of it. `begin`: once it shows the first token. */
  async stream(page: Page, name: string, begin = () => Promise.resolve()) {
    const { tokens } = this.#sizes
    const words = wordsOf(name, tokens)
    await this.#send(promptOf(name, tokens))
    await shows(page, `${name}0`)
    await begin()
    // A page that does not show all of it in time is not correct.
    const ended = () => shows(page, words.at(-1) ?? "").catch(() => undefined)
    const work = await recordWork(this.#browser, page, ended)
    const shown = await shownWords(page, name)
    return { work, correct: shown.join(" ") === words.join(" ") }
  }

  idle(page: Page) {
    return recordWork(this.#browser, page, () => sleep(this.#sizes.tokens * pace))
  }
}

/** A page of OpenCode in a context of its own, closed after its use. */
const openCodePage = async (browser: TestBrowser["browser"], openCode: OpenCode, directory: string, id: string) => {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    httpCredentials: { username: "opencode", password: openCode.password }
  })
  await context.addInitScript(recordShifts)
  const url = `${openCode.url}/${Buffer.from(directory).toString("base64url")}/session/${id}`
  return { ...(await openSession(context, url)), [Symbol.asyncDispose]: () => context.close() }
}

/** Creates the long session in OpenCode. */
const makeSession = async ({ directory, environment, root }: OpenCodeHomeHandle, { parts, turns }: Sizes) => {
  const session = longSession({ id: sessionName, title: "Long", parts, turns, directory, model: ["scripted", "echo"] })
  const file = join(root, "session.json")
  await writeFile(file, JSON.stringify(session))
  await promisify(execFile)(openCodeProgram, ["import", file], {
    cwd: directory,
    env: { ...environment, PATH: process.env["PATH"] }
  })
  return session
}

/** Fills the deployment as if the worker had run the turns of the session, which it has synced. */
const fillTurns = async (deployed: Deployment, client: Client, session: ReturnType<typeof longSession>) => {
  let found: SessionId | undefined
  await until(async () => {
    for await (const { sessionId, title } of client.sessions.list()) if (title === "Long") found = sessionId
    return found !== undefined
  }, "the session to be synced")
  if (found === undefined) throw new Error("There is no session")
  const [row = ""] = (await deployed.rows("sessions")).filter((each) => each.includes(found ?? ""))
  const { ownerId, workerId }: Record<string, unknown> = JSON.parse(row)
  await deployed.fill("turns", turnRows(session, { sessionId: found, ownerId, workerId }))
  const turns = (await deployed.rows("turns")).map((each): { _id: string; seq: number } => JSON.parse(each))
  for (const { _id, seq } of turns) {
    const rows = partRows(session, seq, _id)
    await deployed.fill("parts", rows.parts)
    await deployed.fill("outlines", rows.outlines)
  }
  return found
}

const sessionName = "ses_000000000ffeLONGSESSION0000"

export async function* console(quick: boolean): AsyncGenerator<Line> {
  const given = sizes(quick)
  const { offline, parts } = given
  await using provider = await scriptedProvider(script, { keep: 0 })
  await using home = await openCodeHome({ config: { ...provider.config, compaction: { auto: false } } })
  const { directory, environment, root } = home
  const session = await makeSession(home, given)
  await using openCode = await serveOpenCode(home)
  await using deployed = await startDeployment(`${root}/deployment`, {}, consolePage)
  await using proxy = await faultProxy({ port: deployed.port })
  await using worker = startWorker({
    url: deployed.url,
    data: `${root}/worker`,
    directory,
    environment: { ...environment, OPENCODE_SERVER_PASSWORD: openCode.password },
    flags: ["--attach", openCode.url]
  })
  const [, code = ""] = await worker.prints(/^Pairing code\s+(\S+)/m)
  await using client = connectTo(deployed)
  await client.workers.approve(code)
  await worker.prints(/^Ready/m)
  const sessionId = await fillTurns(deployed, client, session)
  await using launched = await launchBrowser()
  const { browser } = launched
  const bench = new Bench(browser, given, async (text) => void (await client.turns.send(sessionId, text)))

  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  await context.addInitScript(recordShifts)
  const paired = await context.newPage()
  const loaded = await countReceived(paired)
  const device = await client.devices.add({ name: "bench", scope: "operate" })
  await paired.goto(`${proxy.url}/#pair=${device.code}`)
  await paired.getByRole("heading", { name: "Inbox" }).waitFor(patient)
  await paired.close()

  const opened = await openSession(context, `${proxy.url}/#/sessions/${sessionId}`)
  const { page } = opened
  const idle = await bench.idle(page)
  const ours = await bench.stream(page, "ours", () => page.evaluate(beginCount))
  const rowsChanged: number = await page.evaluate(countChanged)

  {
    await using other = await openCodePage(browser, openCode, directory, sessionName)
    const otherIdle = await bench.idle(other.page)
    const theirs = await bench.stream(other.page, "theirs")
    yield {
      bench: "console",
      case: "open",
      parts,
      ...opened.figures,
      // The page has kept them since it was paired.
      scriptBytes: loaded.scripts + opened.figures.scriptBytes,
      rows: opened.rows,
      peer: { name: peerName, ...other.figures }
    }
    yield {
      bench: "console",
      case: "stream",
      parts,
      tokens: given.tokens,
      tokensPerSecond: 1_000 / pace,
      correct: ours.correct,
      rowsChanged,
      ...workFields(ours.work),
      idlePerSecondMs: idle.perSecondMs,
      peer: {
        name: peerName,
        correct: String(theirs.correct),
        ...workFields(theirs.work),
        idlePerSecondMs: otherIdle.perSecondMs
      }
    }
  }

  yield { bench: "console", case: "prepend", parts, ...(await readBack(page, parts)) }

  // The answer goes on for as long as the network is away.
  const words = wordsOf("away", given.tokens + offline / pace)
  await page.getByRole("button", { name: "Latest" }).click()
  await client.turns.send(sessionId, promptOf("away", words.length))
  // On a loaded machine the answer before it has not ended yet.
  await shows(page, "away0", { timeout: 600_000 })
  await proxy.refuse()
  await proxy.cut()
  await sleep(offline)
  const connected = page.waitForEvent("websocket", patient)
  await proxy.restore()
  await connected
  const from = performance.now()
  const before = (await shownWords(page, "away")).length
  await until(async () => (await shownWords(page, "away")).length > before, "the page to catch up")
  const recoveredMs = round(performance.now() - from)
  await shows(page, words.at(-1) ?? "")
  const shown = await shownWords(page, "away")
  yield {
    bench: "console",
    case: "offline",
    offlineMs: offline,
    words: words.length,
    lost: words.filter((word) => !shown.includes(word)).length,
    doubled: shown.length - new Set(shown).size,
    recoveredMs
  }
  await context.close()
}
