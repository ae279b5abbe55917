/**
 * A first prompt in a warm home, from the start of the process: until the first text of `opencode-worker dev --prompt`, and
 * until the end of `opencode run` with the same prompt, model and directory. The limit is `opencode serve` alone with the
 * prompt, as `dev` needs it for later prompts. The three alternate.
 */
import { openCodeProgram, startProcess, workerProgram } from "@opencode-worker/harness"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
import { listen, makeSessions, serveOpenCode } from "./product/opencode.ts"
import type { Line } from "./report.ts"
import { median, percentile, round } from "./statistics.ts"

const prompt = "Which file is the longest?"
const text = "The longest file is none."

export async function* dev(quick: boolean): AsyncGenerator<Line> {
  const rounds = quick ? 1 : 15
  await using cleanup = new AsyncDisposableStack()
  const provider = cleanup.use(await scriptedProvider(() => Reply.text(text)))
  const { directory, environment, root } = cleanup.use(await openCodeHome({ config: provider.config }))

  const run = async (program: string, args: ReadonlyArray<string>) => {
    const began = performance.now()
    await using running = startProcess({ program, args, environment, cwd: directory })
    const firstTextMs = running.timeOf(await running.prints(new RegExp(text)))
    const { code, stderr } = await running.ended
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr}`)
    return { firstTextMs, wholeMs: performance.now() - began }
  }
  const flags = ["--directory", directory, "--data", `${root}/data`, "--opencode", openCodeProgram]
  const ours = () => run(process.execPath, [workerProgram, "dev", ...flags, "--prompt", prompt])
  const peer = () => run(openCodeProgram, ["run", prompt])

  const served = async () => {
    const began = performance.now()
    await using server = await serveOpenCode({ directory, environment })
    const answered = Promise.withResolvers<void>()
    using _events = await listen(server, ({ properties, type }) => {
      if (type === "message.part.delta" && properties.field === "text") answered.resolve()
    })
    const [id = ""] = await makeSessions(server, 1)
    await server.request(`/session/${id}/prompt_async`, "POST", { parts: [{ type: "text", text: prompt }] })
    await answered.promise
    return performance.now() - began
  }

  const taken: Array<{ readonly own: Taken; readonly opencode: Taken; readonly servedMs: number }> = []
  // The first round fills caches and creates the databases of both.
  for (let i = 0; i <= rounds; i++) {
    // The one that runs second finds the files of OpenCode in memory, so the order alternates.
    const first = i % 2 === 0 ? await ours() : undefined
    const opencode = await peer()
    const own = first ?? (await ours())
    const servedMs = await served()
    if (i > 0) taken.push({ own, opencode, servedMs })
  }
  const ratios = taken.map(({ opencode, own }) => own.firstTextMs / opencode.wholeMs)
  const servedRatios = taken.map(({ opencode, servedMs }) => servedMs / opencode.wholeMs)
  const middle = (of: (each: (typeof taken)[number]) => number) => round(median(taken.map(of)))
  yield {
    bench: "dev",
    rounds,
    firstTextMs: middle(({ own }) => own.firstTextMs),
    wholeMs: middle(({ own }) => own.wholeMs),
    ratio: hundredths(median(ratios)),
    ratioLowerQuartile: hundredths(percentile(ratios, 0.25)),
    ratioUpperQuartile: hundredths(percentile(ratios, 0.75)),
    servedMs: middle(({ servedMs }) => servedMs),
    servedRatio: hundredths(median(servedRatios)),
    peer: {
      name: "opencode run",
      firstTextMs: middle(({ opencode }) => opencode.firstTextMs),
      wholeMs: middle(({ opencode }) => opencode.wholeMs)
    }
  }
}

type Taken = Readonly<Record<"firstTextMs" | "wholeMs", number>>

const hundredths = (value: number) => Math.round(value * 100) / 100
