/** The embedded deployment in a process of its own. It can be killed and restarted at the same address. */
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { compileCache } from "./compileCache.ts"
import { makeOperatorKey } from "./operatorKey.ts"
import type { Traffic } from "./relay.ts"
import { type Running, startProcess } from "./Running.ts"
import type { Settings } from "./serve.ts"

const adminKey = "the key of the harness"
const program = fileURLToPath(new URL("./serve.ts", import.meta.url))

/** A document as a table stores it. */
export type Row = Readonly<Record<string, unknown>>

interface Addresses {
  readonly url: string
  readonly counted: string
}

/**
 * Serves the backend's functions from `dataDir`. Disposal ends it and keeps the data. `environment`: what the functions read.
 * `page`: a folder with the files of the web console.
 */
export const startDeployment = async (
  dataDir: string,
  environment: Readonly<Record<string, string>> = {},
  page?: string
) => {
  const { provider, token, tokenUntil } = await makeOperatorKey()
  const serve = async (port: number) => {
    const settings: Settings = { dataDir, port, adminKey, provider, ...(page !== undefined && { page }) }
    const running = startProcess({
      program: process.execPath,
      args: ["--conditions=@opencode-worker/source", program, JSON.stringify(settings)],
      environment: { ...compileCache, ...environment, PATH: process.env["PATH"] ?? "" },
      stdio: ["ignore", "inherit", "inherit", "ipc"]
    })
    return { running, ...(await received<Addresses>(running)) }
  }
  let { counted, running, url } = await serve(0)
  const transfer = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(url + path, { ...init, headers: { authorization: `Convex ${adminKey}` } })
    const body = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`)
    return body
  }
  return {
    url,
    port: Number(new URL(url).port),
    /** Of the process that serves it now. */
    pid: () => running.pid,
    /** The same deployment behind a relay that counts traffic. */
    counted,
    /** A fresh token of the operator. */
    token,
    tokenUntil,
    /** Traffic at `counted` since the last call. */
    traffic: () => {
      running.child.send("traffic")
      return received<Traffic>(running)
    },
    fill: async (table: string, rows: ReadonlyArray<Row>) => {
      const body = rows.map((row) => JSON.stringify(row)).join("\n")
      await transfer(`/api/import?table=${table}`, { method: "POST", body })
    },
    /** The rows of a table, each as JSON. */
    rows: async (table: string): Promise<ReadonlyArray<string>> =>
      (await transfer(`/api/export?table=${table}`)).split("\n").filter((line) => line !== ""),
    kill: () => running.end("SIGKILL"),
    /** Starts it at the same address after `kill`. */
    restart: async () => {
      ;({ counted, running } = await serve(Number(new URL(url).port)))
    },
    [Symbol.asyncDispose]: () => running.end("SIGTERM")
  }
}

export type Deployment = Awaited<ReturnType<typeof startDeployment>>

/** The next message of the process; rejects when the process ends first. */
const received = async <A>({ child }: Running): Promise<A> => {
  const stop = new AbortController()
  const { signal } = stop
  const ended = once(child, "exit", { signal }).then(([code]) => {
    throw new Error(`The deployment ended: ${code}`)
  })
  const [message] = await Promise.race([once(child, "message", { signal }), ended]).finally(() => stop.abort())
  return message
}
