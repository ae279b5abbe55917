/** The measured contenders, each in its own process. */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { ConvexClient } from "convex/browser"
import { anyApi } from "convex/server"
import { type Deployed, message } from "./deployment.ts"
import { CONCURRENT, measure, measurePart, type Operation, type Part, scattered, type Subject } from "./operations.ts"

export interface Contender {
  /** Returns the milliseconds of each run. */
  readonly measure: (part: Part) => Promise<ReadonlyArray<number>>
}

export interface Used {
  /** The processor time of its process so far, in milliseconds. */
  readonly cpuMs: () => Promise<number>
}

interface Reported {
  readonly port: number
  readonly cpuMs: number
}

const cpuOf = async (child: ChildProcess): Promise<number> => {
  child.send("usage")
  return (await message<Reported>(child)).cpuMs
}

const api = anyApi["documents"]!

/** Queries by the HTTP client, mutations by the client with a socket. */
export const subjectOf = (deployed: Deployed): Subject => {
  const client = deployed.connect()
  return {
    query: (name, args) => deployed.http.query(api[name]!, args),
    queryBySocket: (name, args) => client.query(api[name]!, args),
    mutation: (name, args) => client.mutation(api[name]!, args)
  }
}

export const embedded = (subject: Subject): Contender => ({ measure: (part) => measurePart(subject, part) })

/** `convex-test` with this number of documents. */
export const startPeer = async (documents: number): Promise<Contender & AsyncDisposable> => {
  const child = fork(fileURLToPath(new URL("./peer.ts", import.meta.url)), [String(documents)])
  await message(child)
  return {
    measure: (part) => {
      child.send(part)
      return message<ReadonlyArray<number>>(child)
    },
    [Symbol.asyncDispose]: async () => {
      child.disconnect()
      await once(child, "exit")
    }
  }
}

/** A lookup over HTTP, as the client of Convex sends it. */
const lookUp = async (port: number, number: number): Promise<unknown> => {
  const body = JSON.stringify({ path: "documents:get", args: [{ number }] })
  const headers = { "content-type": "application/json" }
  return (await fetch(`http://127.0.0.1:${port}/`, { body, headers, method: "POST" })).json()
}

/** A query in a thread, without the deployment. Only `get`. */
export const startThreaded = async (documents: number): Promise<Contender & AsyncDisposable> => {
  const child = fork(fileURLToPath(new URL("./threaded.ts", import.meta.url)), [String(documents)])
  const port = await message<number>(child)
  return {
    measure: async (part) => measure((i) => lookUp(port, scattered(i, documents)), part.from, part.limit),
    [Symbol.asyncDispose]: async () => {
      child.disconnect()
      await once(child, "exit")
    }
  }
}

/** A rung of the ladder of mutations, called by the Convex client. Only `mutation`. */
export const startRung = async (rung: string, documents: number): Promise<Contender & Used & AsyncDisposable> => {
  const folder = await mkdtemp(join(tmpdir(), "bench-rung-"))
  const program = fileURLToPath(new URL("./ladder.ts", import.meta.url))
  const child = fork(program, [rung, join(folder, "rung.sqlite"), String(documents)])
  const { port } = await message<Reported>(child)
  const client = new ConvexClient(`http://127.0.0.1:${port}`, { logger: false, unsavedChangesWarning: false })
  return {
    cpuMs: () => cpuOf(child),
    measure: ({ from, limit }) =>
      measure((number) => client.mutation(api["insert"]!, { channel: "one", number }), from, limit),
    [Symbol.asyncDispose]: async () => {
      await client.close()
      child.disconnect()
      await once(child, "exit")
      await rm(folder, { force: true, recursive: true })
    }
  }
}

/** A row over a socket and a constant over HTTP, without Convex. */
export const startRaw = async (): Promise<Contender & Used & AsyncDisposable> => {
  const folder = await mkdtemp(join(tmpdir(), "bench-raw-"))
  const child = fork(fileURLToPath(new URL("./raw.ts", import.meta.url)), [join(folder, "raw.sqlite")])
  const { port } = await message<Reported>(child)
  const socket = new WebSocket(`ws://127.0.0.1:${port}`)
  await once(socket, "open")
  const insert = (numbers: ReadonlyArray<number>) =>
    new Promise<void>((done) => {
      let missing = numbers.length
      const answered = () => {
        if (--missing > 0) return
        socket.removeEventListener("message", answered)
        done()
      }
      socket.addEventListener("message", answered)
      for (const number of numbers) {
        socket.send(JSON.stringify({ path: "documents:insert", args: [{ channel: "one", number }] }))
      }
    })
  const operations: Partial<Record<Operation, (i: number) => Promise<unknown>>> = {
    get: (number) => lookUp(port, number),
    mutation: (number) => insert([number]),
    concurrent: (number) => insert(Array.from({ length: CONCURRENT }, (_, each) => number * CONCURRENT + each))
  }
  return {
    measure: async ({ from, limit, op }) => {
      const run = operations[op]
      return run === undefined ? [] : measure(run, from, limit)
    },
    cpuMs: () => cpuOf(child),
    [Symbol.asyncDispose]: async () => {
      socket.close()
      child.disconnect()
      await once(child, "exit")
      await rm(folder, { force: true, recursive: true })
    }
  }
}
