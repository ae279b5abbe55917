/** The files inside of final parts: every `url` of a payload that is a `data:` URL. Pure. */
import { isMediaType, MAX_FILE_NAME, printable } from "@opencode-worker/convex-backend/limits"
import type { PromptFile } from "../../Agent.ts"
import type { FinalPart } from "../../TurnResult.ts"

export interface PartFile extends PromptFile {
  /** The `data:` URL, as in the payload. */
  readonly url: string
}

const dataUrl = /^data:([^;,]*)((?:;[^;,]*)*),/

const bytesOf = (header: string, isBase64: boolean, url: string): Uint8Array => {
  const content = url.slice(header.length)
  if (isBase64) return Buffer.from(content, "base64")
  try {
    return Buffer.from(decodeURIComponent(content))
  } catch {
    return Buffer.from(content)
  }
}

const nameOf = (name: unknown, type: string): string =>
  (typeof name === "string" && printable(name).trim().slice(0, MAX_FILE_NAME).toWellFormed()) ||
  `file.${type.split("/")[1]?.split("+")[0] ?? "bin"}`.slice(0, MAX_FILE_NAME)

/** `holder`: the object with the URL. OpenCode names the file there. */
const fileOf = (url: string, holder: unknown): PartFile | null => {
  const [header, type = "", parameters = ""] = dataUrl.exec(url) ?? []
  if (header === undefined) return null
  const lower = type.toLowerCase()
  const known = isMediaType(lower) ? lower : "application/octet-stream"
  const name: unknown = typeof holder === "object" && holder !== null ? Reflect.get(holder, "filename") : undefined
  return { url, type: known, name: nameOf(name, known), bytes: bytesOf(header, parameters.endsWith(";base64"), url) }
}

/** Replaces the URLs of a payload. Payloads without a `data:` URL are not parsed. */
const mapUrls = ({ payload }: FinalPart, change: (url: string, holder: unknown) => string): string =>
  payload.includes('"data:')
    ? JSON.stringify(
        JSON.parse(payload, function (this: unknown, key: string, value: unknown) {
          return key === "url" && typeof value === "string" && value.startsWith("data:") ? change(value, this) : value
        })
      )
    : payload

/** The files of all parts, each once. */
export const filesIn = (parts: ReadonlyArray<FinalPart>): ReadonlyArray<PartFile> => {
  const files = new Map<string, PartFile>()
  for (const part of parts) {
    mapUrls(part, (url, holder) => {
      const file = files.has(url) ? null : fileOf(url, holder)
      if (file !== null) files.set(url, file)
      return url
    })
  }
  return [...files.values()]
}

/** The parts with other URLs for their files. */
export const replaceUrls = (
  parts: ReadonlyArray<FinalPart>,
  urls: ReadonlyMap<string, string>
): ReadonlyArray<FinalPart> => parts.map((part) => ({ ...part, payload: mapUrls(part, (url) => urls.get(url) ?? url) }))
