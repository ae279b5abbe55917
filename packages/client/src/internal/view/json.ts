/** Reads JSON whose shape is not known. */

type Json = Readonly<Record<string, unknown>>

export const isRecord = (value: unknown): value is Json => typeof value === "object" && value !== null
export const record = (value: unknown): Json => (isRecord(value) ? value : {})
export const text = (value: unknown): string | null => (typeof value === "string" ? value : null)

export const parseAny = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
export const parse = (json: string): Json => record(parseAny(json))
export const count = (value: unknown): number | null => (typeof value === "number" ? value : null)
