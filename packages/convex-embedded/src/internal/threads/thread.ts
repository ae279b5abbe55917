/** Starts and ends the threads in which functions run. */
import { existsSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { SHARE_ENV, Worker } from "node:worker_threads"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import type { ThreadData } from "./convex-thread.ts"
import { RemoteFailure } from "../values/errors.ts"
import { type Api, Peer } from "./rpc.ts"

/** In the same folder as this file, in TypeScript and in JavaScript. */
const ENTRY = new URL(`./convex-thread.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)

/** The thread ended before it answered. */
export class ThreadEnded extends RemoteFailure {
  constructor(reason: string) {
    const message = `The thread of the functions ended: ${reason}`
    super({ message, shown: message })
  }
}

export interface Thread<Remote extends Api> {
  readonly peer: Peer<Remote>
  /** Terminates the thread. Resolves when all its resources are released; pending calls reject with `cause`. */
  readonly end: (cause: Error) => Promise<void>
  readonly hasEnded: () => boolean
  /** The processor time that the thread has used, in milliseconds. Undefined if it does not respond within `patience` milliseconds. */
  readonly processorMillis: (patience: number) => Promise<number | undefined>
}

/** Node.js can lose a termination that arrives during a native call of a busy thread, so it is repeated until it has an effect. */
const TERMINATE_MILLIS = 500

export const startThread = <Remote extends Api>(data: ThreadData, local: Api): Thread<Remote> => {
  if (!existsSync(ENTRY)) {
    throw new ConvexEmbeddedError(
      "InvalidOptions",
      `The file ${fileURLToPath(ENTRY)} is missing. If you bundle @opencode-worker/convex-embedded, bundle ` +
        "@opencode-worker/convex-embedded/thread as a second entry, into a file of this name in the same folder."
    )
  }
  // Functions read the environment of the program.
  const worker = new Worker(ENTRY, { env: SHARE_ENV, name: `convex ${data.kind}`, workerData: data })
  // Each termination adds a listener.
  worker.setMaxListeners(0)
  const peer = new Peer<Remote>(worker, local)
  let ended = false
  let reason: Error | undefined
  const over = (cause: Error) => {
    ended = true
    peer.end(reason ?? cause)
  }
  worker.on("error", (cause) => over(new ThreadEnded(cause instanceof Error ? cause.message : String(cause))))
  worker.on("exit", (code) => over(new ThreadEnded(`exit code ${code}`)))
  return {
    end: async (cause) => {
      reason ??= cause
      const again = setInterval(() => void worker.terminate(), TERMINATE_MILLIS)
      await worker.terminate()
      clearInterval(again)
      over(cause)
    },
    hasEnded: () => ended,
    processorMillis: async (patience) => {
      const response = worker.cpuUsage().then(
        ({ system, user }) => (system + user) / 1e3,
        () => undefined
      )
      return Promise.race([response, setTimeout(patience, undefined, { ref: false })])
    },
    peer
  }
}
