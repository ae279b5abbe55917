/** Text and files that another app has shared, until the form of a new session takes them. */
import { openStore } from "../data/storage.ts"

export interface Shared {
  readonly text: string
  readonly files: ReadonlyArray<File>
}

const key = "shared"
const store = openStore<Shared>("shared")

/** The fields of the share target in the manifest. */
export const storeShared = async (form: FormData): Promise<void> => {
  const lines = ["title", "text", "url"].map((name) => form.get(name)).filter((value) => typeof value === "string")
  const files = form.getAll("files").filter((value) => value instanceof File)
  await store.set(key, { text: lines.filter((line) => line !== "").join("\n"), files })
}

export const takeShared = async (): Promise<Shared | undefined> => {
  const shared = await store.get(key)
  if (shared !== undefined) await store.remove(key)
  return shared
}
