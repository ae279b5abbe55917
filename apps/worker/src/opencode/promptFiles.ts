/** The files of a prompt as OpenCode passes them to a model. */
import { AgentError, AgentReason, type PromptFile } from "@opencode-worker/convex-sync"
import type { ModelCacheError, ModelCatalog } from "@opencode-worker/model-cache"
import type { HostError, OpenCodeClient } from "@opencode-worker/opencode-host"
import { Effect, Result } from "effect"

type Input = keyof NonNullable<NonNullable<ModelCatalog.Model["capabilities"]>["input"]>

const names: Record<Input, string> = { image: "images", pdf: "PDF files", audio: "audio", video: "video" }

/** Undefined for text, and for files that no model reads. SVG is text: models read no vector images. */
const inputOf = (type: string): Input | undefined => {
  if (type === "application/pdf") return "pdf"
  if (type === "image/svg+xml") return undefined
  return (["image", "audio", "video"] as const).find((kind) => type.startsWith(`${kind}/`))
}

const isText = (bytes: Uint8Array): boolean => {
  if (bytes.includes(0)) return false
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

const refused = (message: string) =>
  new AgentError({ reason: new AgentReason.Failed({ name: "FileRefused", message }) })

/**
 * Checks the files against the model, because OpenCode would replace a file that the model cannot read by an error text, which
 * the model answers. Pure. `model`: undefined if it is not known. Text of any type is `text/plain` for OpenCode, which
 * reads only this type out to the model.
 */
export const acceptedFiles = (
  files: ReadonlyArray<PromptFile>,
  model: ModelCatalog.Model | undefined
): Result.Result<ReadonlyArray<PromptFile>, AgentError> => {
  const accepted: Array<PromptFile> = []
  for (const file of files) {
    const { bytes, name, type } = file
    const input = inputOf(type)
    if (input !== undefined && model !== undefined && model.capabilities?.input?.[input] !== true) {
      const advice = `choose a model that does, or leave the file out`
      return Result.fail(refused(`${model.id} does not accept ${names[input]}, so ${name} was not sent: ${advice}.`))
    }
    if (input === undefined && !isText(bytes)) {
      return Result.fail(refused(`No model reads files of the type ${type}, so ${name} was not sent: leave it out.`))
    }
    accepted.push(input === undefined ? { ...file, type: "text/plain" } : file)
  }
  return Result.succeed(accepted)
}

const idOf = (model: { readonly providerID: string } & ({ readonly modelID: string } | { readonly id: string })) =>
  `${model.providerID}/${"modelID" in model ? model.modelID : model.id}`

/**
 * The model of a prompt that names none: that of its agent, of its session, or of the configuration. Undefined if OpenCode
 * chooses by its recent models, which it does not report.
 */
export const chosenModel = Effect.fnUntraced(function* (
  client: OpenCodeClient,
  catalog: Effect.Effect<ModelCatalog.ModelCatalog, ModelCacheError>,
  sessionId: string,
  agent: string | null
): Effect.fn.Return<ModelCatalog.Model | undefined, HostError | ModelCacheError> {
  const session = yield* client.sessions.get(sessionId)
  const agents = yield* client.agents
  const own = agents.find(({ name }) => name === (agent ?? session.agent ?? "build"))?.model
  const chosen = own ?? session.model
  const known = yield* catalog
  const id = chosen === undefined ? known.default : idOf(chosen)
  return known.models.find((model) => model.id === id)
})
