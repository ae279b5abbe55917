/** The real `opencode serve`, as a user runs it for other clients. */
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:net"
import { openCodeProgram, startProcess } from "@opencode-worker/harness"

interface Home {
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
}

/** A free port: OpenCode reads 0 as its usual one. */
export const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return typeof address === "object" && address !== null ? address.port : 0
}

export const serveOpenCode = async ({ directory, environment }: Home) => {
  const password = randomUUID()
  const running = startProcess({
    program: openCodeProgram,
    args: ["serve", "--hostname", "127.0.0.1", "--port", String(await freePort())],
    cwd: directory,
    environment: { ...environment, OPENCODE_SERVER_PASSWORD: password }
  })
  const [url] = await running.prints(/http:\/\/\S+/)
  const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`
  return {
    url,
    password,
    /** Sends a request for the directory of this home; rejects unless it succeeds. */
    request: async (path: string, method = "GET", body?: object, signal?: AbortSignal) => {
      const response = await fetch(`${url}${path}?directory=${encodeURIComponent(directory)}`, {
        method,
        headers: { authorization, "content-type": "application/json" },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal !== undefined && { signal })
      })
      if (!response.ok) throw new Error(`OpenCode responded to ${method} ${path} with ${response.status}`)
      return response
    },
    [Symbol.asyncDispose]: () => running.end("SIGTERM")
  }
}

/** Receives OpenCode's raw event stream. */
export const listen = async (openCode: Pick<OpenCode, "request">, onEvent: (event: OpenCodeEvent) => void) => {
  const stop = new AbortController()
  const { body } = await openCode.request("/event", "GET", undefined, stop.signal)
  const read = async () => {
    let rest = ""
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const frames = (rest + chunk).split("\n\n")
      rest = frames.pop() ?? ""
      for (const frame of frames) onEvent(parse(frame.slice("data: ".length)))
    }
  }
  read().catch((cause: unknown) => {
    if (!stop.signal.aborted) throw cause
  })
  return { [Symbol.dispose]: () => stop.abort() }
}

/** The fields of an event that are read. */
export interface OpenCodeEvent {
  readonly type: string
  readonly properties: {
    readonly sessionID?: string
    readonly field?: string
    readonly delta?: string
    readonly status?: { readonly type: string }
    readonly part?: { readonly type: string; readonly text?: string }
  }
}
const parse: (text: string) => OpenCodeEvent = JSON.parse

export type OpenCode = Awaited<ReturnType<typeof serveOpenCode>>

/** Concurrent requests while sessions are created: more are not faster. */
const MAKERS = 4

const idOf = (json: string) => /"id":"(ses_\w+)"/.exec(json)?.[1] ?? ""

/** Creates sessions as any client would. Returns their ids. */
export const makeSessions = async (openCode: OpenCode, count: number): Promise<ReadonlyArray<string>> => {
  const ids: Array<string> = []
  let begun = 0
  const maker = async () => {
    while (begun++ < count) {
      const made = await openCode.request("/session", "POST", { title: `Session ${begun}` })
      ids.push(idOf(await made.text()))
    }
  }
  await Promise.all(Array.from({ length: MAKERS }, maker))
  return ids
}
