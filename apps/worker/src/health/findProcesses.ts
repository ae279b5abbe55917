/** Finds the worker processes of this user on this machine by their sockets, and reads their state. */
import { request } from "node:http"
import { readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import type { ProcessReport } from "./endpoints.ts"
import { socketFolder } from "./HealthServer.ts"
import type { Attachment } from "./RunningWorkers.ts"

/** A process and its state. Null: it does not respond. */
export interface FoundProcess {
  readonly pid: number
  readonly report: ProcessReport | null
}

const patience = 3_000

/** Refused: no process listens at the socket. */
const read = <A>(socketPath: string, path: string): Promise<A | "refused" | null> =>
  new Promise((resolve) => {
    const asked = request({ socketPath, path, headers: { host: "localhost" }, timeout: patience }, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk))
      response.on("error", () => resolve(null))
      response.on("end", () => {
        try {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by this program
          resolve(JSON.parse(body) as A)
        } catch {
          resolve(null)
        }
      })
    })
    asked.on("timeout", () => asked.destroy(new Error("timeout")))
    asked.on("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "ECONNREFUSED" || error.code === "ENOENT" ? "refused" : null)
    )
    asked.end()
  })

/** What each process responds. Sockets of processes that were killed are removed. */
const askAll = <A>(path: string) =>
  Effect.flatMap(socketFolder, (folder) =>
    Effect.promise(async () => {
      const names = await readdir(folder).catch(() => [])
      const found = await Promise.all(
        names.map(async (name) => {
          const [, digits] = /^(\d+)\.sock$/.exec(name) ?? []
          if (digits === undefined) return []
          const answer = await read<A>(join(folder, name), path)
          if (answer !== "refused") return [{ pid: Number(digits), answer }]
          await rm(join(folder, name), { force: true })
          return []
        })
      )
      return found.flat().toSorted((one, other) => one.pid - other.pid)
    })
  )

export const findProcesses = Effect.map(askAll<ProcessReport>("/status"), (found) =>
  found.map(({ answer, pid }): FoundProcess => ({ pid, report: answer }))
)

/** The attachable workers of this user. A process of an older release responds with an error. */
export const findAttachments = Effect.map(askAll<ReadonlyArray<Attachment>>("/opencode"), (found) =>
  found.flatMap(({ answer }) => answer ?? [])
)
