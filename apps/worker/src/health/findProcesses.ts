/** Finds the worker processes of this user on this machine by their sockets, and reads their state. */
import { request } from "node:http"
import { readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import type { ProcessReport } from "./endpoints.ts"
import { socketFolder } from "./HealthServer.ts"

/** A process and its state. Null: it does not respond. */
export interface FoundProcess {
  readonly pid: number
  readonly report: ProcessReport | null
}

const patience = 3_000

/** Refused: no process listens at the socket. */
const read = (socketPath: string): Promise<ProcessReport | "refused" | null> =>
  new Promise((resolve) => {
    const asked = request(
      { socketPath, path: "/status", headers: { host: "localhost" }, timeout: patience },
      (response) => {
        let body = ""
        response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk))
        response.on("error", () => resolve(null))
        response.on("end", () => {
          try {
            // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by this program
            resolve(JSON.parse(body) as ProcessReport)
          } catch {
            resolve(null)
          }
        })
      }
    )
    asked.on("timeout", () => asked.destroy(new Error("timeout")))
    asked.on("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "ECONNREFUSED" || error.code === "ENOENT" ? "refused" : null)
    )
    asked.end()
  })

/** Sockets of processes that were killed are removed. */
export const findProcesses = Effect.flatMap(socketFolder, (folder) =>
  Effect.promise(async (): Promise<ReadonlyArray<FoundProcess>> => {
    const names = await readdir(folder).catch(() => [])
    const found = await Promise.all(
      names.map(async (name) => {
        const [, digits] = /^(\d+)\.sock$/.exec(name) ?? []
        if (digits === undefined) return []
        const report = await read(join(folder, name))
        if (report !== "refused") return [{ pid: Number(digits), report }]
        await rm(join(folder, name), { force: true })
        return []
      })
    )
    return found.flat().toSorted((one, other) => one.pid - other.pid)
  })
)
