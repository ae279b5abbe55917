/** jq for the rows of a list, by jq itself in WebAssembly: in a thread, because a filter may never end. */
import { Worker } from "node:worker_threads"
import { Effect } from "effect"
import { type AppError, usageError } from "../AppError.ts"

const program = new URL(import.meta.url.endsWith(".ts") ? "./jqThread.ts" : "./jq-thread.js", import.meta.url)

/** The results, one per line: texts as they are, other values as JSON. An interruption ends the filter. */
export const jq = (value: unknown, filter: string): Effect.Effect<string, AppError> =>
  Effect.callback((resume) => {
    const thread = new Worker(program, { name: "jq", workerData: { json: JSON.stringify(value), filter } })
    thread.once("message", (results: string) => resume(Effect.succeed(results)))
    thread.once("error", (error) => {
      const message = error instanceof Error ? error.message : String(error)
      const reason = message.replaceAll(/^Failed to execute raw query: |jq: error:? ?|\njq: .*$/g, "").trim()
      resume(usageError(`--jq ${filter}: ${reason}`))
    })
    return Effect.promise(() => thread.terminate())
  })
