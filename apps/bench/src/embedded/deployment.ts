import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { ConvexClient, ConvexHttpClient } from "convex/browser"

/** A deployment in its own process, and its clients. Disposal ends all of them. */
export const deploy = async (durability: "full" | "normal") => {
  const dataDir = await mkdtemp(join(tmpdir(), "bench-embedded-"))
  const child = fork(fileURLToPath(new URL("./serve.ts", import.meta.url)), [dataDir, durability])
  const { url } = await message<Message>(child)
  const clients: Array<ConvexClient> = []
  return {
    http: new ConvexHttpClient(url, { logger: false }),
    connect: () => {
      const client = new ConvexClient(url, { logger: false, unsavedChangesWarning: false })
      clients.push(client)
      return client
    },
    /** Its memory, and its processor time so far. */
    usage: async () => {
      child.send("usage")
      const { cpuMs, rssBytes } = await message<Message>(child)
      return { cpuMs, rssBytes }
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(clients.map((client) => client.close()))
      child.disconnect()
      await once(child, "exit")
      await rm(dataDir, { force: true, recursive: true })
    }
  }
}

export type Deployed = Awaited<ReturnType<typeof deploy>>

/** A message of `serve.ts`. */
interface Message {
  readonly url: string
  readonly rssBytes: number
  readonly cpuMs: number
}

/** The next message of the process. Rejects when the process ends first. */
export const message = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`The process ended: ${code}`))
    child.once("exit", onExit)
    child.once("message", (received: A) => {
      child.off("exit", onExit)
      resolve(received)
    })
  })
