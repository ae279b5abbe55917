/** Measurements of a running worker's process. Linux only. */
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import type { Running } from "@opencode-worker/harness"
import { WebSocket } from "ws"

/** The inspector is opened by a signal, on a free port, so that it costs nothing before it is used. */
export const inspectable = ["--inspect-port=0"]

/** Linux counts processor time in these parts of a second. */
const TICKS = 100

/** Processor time of the process so far, without that of OpenCode. */
export const cpuSeconds = async ({ pid }: Running): Promise<number> => {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** JavaScript objects that are alive after a collection, in bytes. The worker was started with `inspectable`. */
export const heapBytes = async (worker: Running): Promise<number> => {
  worker.kill("SIGUSR1")
  const [, inspector = ""] = await worker.prints(/(ws:\S+)/, "stderr")
  const socket = new WebSocket(inspector)
  await once(socket, "open")
  socket.send(JSON.stringify({ id: 1, method: "HeapProfiler.collectGarbage" }))
  socket.send(JSON.stringify({ id: 2, method: "Runtime.getHeapUsage" }))
  const bytes = await new Promise<number>((resolve) => {
    socket.on("message", (data: Buffer) => {
      const used = /"id":2,.*"usedSize":(\d+)/.exec(data.toString("utf8"))?.[1]
      if (used !== undefined) resolve(Number(used))
    })
  })
  socket.close()
  return bytes
}
