/** The real `opencode serve`, run as a user runs it who wants others to connect. */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:net"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

interface Home {
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
}

/** The binary of the package that this workspace pins. */
export const openCodeBinary = () =>
  fileURLToPath(
    new URL("bin/opencode", import.meta.resolve(`opencode-${process.platform}-${process.arch}/package.json`))
  )

/** OpenCode takes 0 for its usual port, so a free one is found for it. */
const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return typeof address === "object" && address !== null ? address.port : 0
}

export const serveOpenCode = async ({ directory, environment }: Home) => {
  const password = randomUUID()
  const child = spawn(openCodeBinary(), ["serve", "--hostname", "127.0.0.1", "--port", String(await freePort())], {
    cwd: directory,
    env: { ...environment, OPENCODE_SERVER_PASSWORD: password },
    stdio: ["ignore", "pipe", "ignore"]
  })
  const end = () => child.kill("SIGKILL")
  process.once("exit", end)
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [found] = /http:\/\/\S+/.exec(line) ?? []
      if (found !== undefined) resolve(found)
    })
    child.once("exit", (code) => reject(new Error(`OpenCode ended before it listened: ${code}`)))
  })
  const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`
  return {
    url,
    password,
    /** A request for the directory of this home; its answer must be a success. */
    request: async (path: string, method = "GET", body?: object, signal?: AbortSignal) => {
      const response = await fetch(`${url}${path}?directory=${encodeURIComponent(directory)}`, {
        method,
        headers: { authorization, "content-type": "application/json" },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal !== undefined && { signal })
      })
      if (!response.ok) throw new Error(`OpenCode answers ${method} ${path} with ${response.status}`)
      return response
    },
    [Symbol.asyncDispose]: async () => {
      process.off("exit", end)
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill("SIGTERM")
      await once(child, "exit")
    }
  }
}

/** What OpenCode says over its raw event stream, as it arrives. */
export const listen = async (openCode: OpenCode, onEvent: (event: OpenCodeEvent) => void) => {
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

/** The part of an event that is looked at. */
export interface OpenCodeEvent {
  readonly type: string
  readonly properties: {
    readonly sessionID?: string
    readonly field?: string
    readonly delta?: string
    readonly part?: { readonly type: string; readonly text?: string }
  }
}
const parse: (text: string) => OpenCodeEvent = JSON.parse

export type OpenCode = Awaited<ReturnType<typeof serveOpenCode>>

/** Requests at once while sessions are made: more makes it no faster. */
const MAKERS = 4

const idOf = (json: string) => /"id":"(ses_\w+)"/.exec(json)?.[1] ?? ""

/** Makes sessions as any client would; gives their ids. */
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
