/** A repository that attacks who hosts it, and a host on the real binary with its own home. */
import { execFileSync } from "node:child_process"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { dirname, join } from "node:path"
import { type ChatRequest, OpenCodeHome, type Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Stream } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import { newSession, promptOf } from "../support.ts"

export interface Project {
  /** By path below the root of the repository; `~/` is the home folder of the user. */
  readonly files?: Readonly<Record<string, string>>
  /** Where links lead; `~/` as above. */
  readonly links?: Readonly<Record<string, string>>
  readonly fifos?: ReadonlyArray<string>
  /** The user's own configuration, apart from the scripted provider. */
  readonly user?: object
  readonly git?: boolean
  /** Whether OpenCode knows the models of its own catalogue. */
  readonly catalogue?: boolean
}

/** Writes the project. File contents may use `@ROOT@` for the root of everything. */
export const makeProject = Effect.fnUntraced(function* (
  script: (request: ChatRequest) => Reply.Reply,
  { catalogue = false, fifos = [], files = {}, git = true, links = {}, user = {} }: Project
) {
  const provider = yield* ScriptedProvider.make(script, { models: ["echo", "other"] })
  const home = yield* OpenCodeHome.make({ catalogue, git, config: { ...provider.config, snapshot: false, ...user } })
  const { directory, environment, root } = home
  const place = (path: string) => {
    const absolute = path.startsWith("~/") ? join(root, "home", path.slice(2)) : join(directory, path)
    mkdirSync(dirname(absolute), { recursive: true })
    return absolute
  }
  for (const [path, content] of Object.entries(files)) writeFileSync(place(path), content.replaceAll("@ROOT@", root))
  for (const [path, target] of Object.entries(links)) {
    symlinkSync(target.startsWith("~/") ? join(root, "home", target.slice(2)) : target, place(path))
  }
  for (const path of fifos) execFileSync("mkfifo", [place(path)])
  const options = { directory, environment, stateDirectory: join(root, "state") }
  return { provider, directory, root, place, options }
})

/** Runs a prompt: how it ended, what the model was sent as system prompt, and the results of its tools. */
export const promptWith = Effect.fnUntraced(function* (
  provider: ScriptedProvider["Service"],
  text: string,
  named: { readonly agent?: string; readonly model?: string } = {}
) {
  const { turn } = yield* OpenCodeHost
  const from = (yield* provider.requests).length
  const events = yield* Stream.runCollect(turn({ ...(yield* promptOf(yield* newSession, text)), ...named }))
  const requests = (yield* provider.requests).slice(from).filter(({ kind }) => kind === "chat")
  const ended = events.at(-1)
  return {
    ended: ended?._tag === "Ended" ? ended : undefined,
    models: [...new Set(requests.map(({ model }) => model))],
    system: requests
      .flatMap(({ messages }) => messages.flatMap(({ role, text: said }) => (role === "system" ? [said] : [])))
      .join("\n"),
    outputs: requests.flatMap(({ toolResults }) => toolResults.map(({ output }) => output)).join("\n")
  }
})

interface Canary {
  readonly url: string
  /** Each request's path and headers. */
  readonly seen: Array<string>
  /** The real address of the model. */
  target: string
  readonly close: () => void
}

const forward = async (target: string, { url = "" }: IncomingMessage, body: Buffer, response: ServerResponse) => {
  const headers = { "content-type": "application/json" }
  const answer = url.startsWith("/v1/")
    ? await fetch(new URL(url, target), { method: "POST", headers, body })
    : undefined
  response.writeHead(answer?.status ?? 404, { "content-type": answer?.headers.get("content-type") ?? "text/plain" })
  response.end(answer === undefined ? "" : Buffer.from(await answer.arrayBuffer()))
}

/** Forwards to the model's real address, and remembers what it was sent. */
export const makeCanary = Effect.acquireRelease(
  Effect.callback<Canary>((resume) => {
    const server = createServer((request, response) => {
      canary.seen.push(JSON.stringify([request.url, request.headers]))
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => void forward(canary.target, request, Buffer.concat(chunks), response))
    })
    const canary: Canary = { url: "", seen: [], target: "", close: () => server.close() }
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed(Object.assign(canary, { url: `http://127.0.0.1:${port}` })))
    })
  }),
  ({ close }) => Effect.sync(close)
)
