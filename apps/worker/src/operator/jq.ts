/** jq for the rows of a list, by jq itself in WebAssembly. Loaded only when it is used. */
import { Effect } from "effect"
import { usageError } from "../AppError.ts"

/** The results, one per line: texts as they are, other values as JSON. */
export const jq = (value: unknown, filter: string) =>
  Effect.tryPromise({
    try: async () => {
      const { raw } = await import("./jqProgram.ts")
      return raw(JSON.stringify(value), filter, ["-r", "-c"])
    },
    catch: (error) => {
      const message = error instanceof Error ? error.message : String(error)
      return usageError(
        `--jq ${filter}: ${message.replaceAll(/^Failed to execute raw query: |jq: error:? ?|\njq: .*$/g, "").trim()}`
      )
    }
  })
