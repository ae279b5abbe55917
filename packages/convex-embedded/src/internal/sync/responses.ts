/** Messages with the outcome of a run. Results are JSON text already, and are not parsed again. */
import type { Run } from "../values/calls.ts"
import { errorPayload } from "../values/errors.ts"

export type ResponseType = "MutationResponse" | "ActionResponse"

export const response = (type: ResponseType, requestId: number, { logLines, outcome }: Run, more: object): string => {
  if ("json" in outcome) {
    const head = JSON.stringify({ logLines, requestId, success: true, type, ...more })
    return `${head.slice(0, -1)},"result":${outcome.json}}`
  }
  const { errorData, errorMessage } = errorPayload(outcome.failure)
  return JSON.stringify({ errorData, logLines, requestId, result: errorMessage, success: false, type })
}

/** Failures with the same message are the same result, although their request ids differ. */
export const describeOutcome = ({ outcome }: Run): { readonly fields: string; readonly comparable: string } => {
  if ("json" in outcome) return { comparable: outcome.json, fields: `"type":"QueryUpdated","value":${outcome.json}` }
  const { errorData, errorMessage } = errorPayload(outcome.failure)
  const fields = JSON.stringify({ errorData, errorMessage, type: "QueryFailed" })
  return { comparable: `failed: ${outcome.failure.shown}${JSON.stringify(errorData)}`, fields: fields.slice(1, -1) }
}
