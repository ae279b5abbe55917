/**
 * The content that `--trust-project` trusts: a hash of each file from which OpenCode reads configuration.
 *
 * Configuration counts by its values: OpenCode adds `$schema` to a file that lacks it. Packages that OpenCode installs in
 * `.opencode` do not count.
 */
import { createHash } from "node:crypto"
import { dirname, resolve } from "node:path"
import { parseJsonc } from "./jsonc.ts"
import { filesBelow, readInside } from "./readInside.ts"
import { configFiles, dotFolders, isInstalled, shown, skillFolders, sourcesOf } from "./sources.ts"

/** SHA-256 of each file, by its path relative to the root of the project. */
export type Fingerprint = Readonly<Record<string, string>>

/** A plugin may be a bundle. */
const sizeLimit = 8 * 1024 * 1024

const hashOf = (text: string) => createHash("sha256").update(text).digest("hex")

export const fingerprint = (directory: string): Fingerprint => {
  const sources = sourcesOf(directory)
  const { root } = sources
  const hashes = new Map<string, string>()
  const add = (path: string, normal: (text: string) => string | undefined = (text) => text): string | undefined => {
    const read = readInside(root, path, sizeLimit)
    if (read._tag === "Absent") return undefined
    const text = read._tag === "Text" ? normal(read.text) : `unreadable: ${read.reason}`
    if (text !== undefined) hashes.set(shown(root, path), hashOf(text))
    return read._tag === "Text" ? read.text : undefined
  }
  for (const path of configFiles(sources)) {
    const text = add(path, withoutSchema) ?? ""
    for (const [, name = ""] of text.matchAll(/\{file:([^}]+)\}/g)) add(resolve(dirname(path), name))
  }
  for (const folder of [...dotFolders(sources), ...skillFolders(sources)]) {
    const files = filesBelow(root, folder, isInstalled)
    if (files === undefined) hashes.set(shown(root, folder), hashOf("unreadable"))
    for (const { name, path } of files ?? []) {
      if (!/^opencode\.jsonc?$/.test(name)) add(path, name === "package.json" ? withoutOwnPackage : undefined)
    }
  }
  return Object.fromEntries([...hashes].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const fieldsOf = (text: string): Record<string, unknown> | undefined => {
  const parsed = parseJsonc(text)
  return parsed._tag === "Value" && typeof parsed.value === "object" && parsed.value !== null
    ? { ...parsed.value }
    : undefined
}

const withoutSchema = (text: string): string => {
  const fields = fieldsOf(text)
  if (fields === undefined) return text
  delete fields["$schema"]
  return JSON.stringify(fields)
}

/** OpenCode adds its own package to the dependencies; a file with that one alone is as none. */
const withoutOwnPackage = (text: string): string | undefined => {
  const { dependencies, ...fields } = fieldsOf(text) ?? { text }
  const others = Object.entries(Object(dependencies)).filter(([name]) => name !== "@opencode-ai/plugin")
  return others.length === 0 && Object.keys(fields).length === 0 ? undefined : JSON.stringify([fields, others])
}

/** Files that are new, gone or different, as a list for a sentence. */
export const changes = (before: Fingerprint, now: Fingerprint): ReadonlyArray<string> =>
  [...new Set([...Object.keys(before), ...Object.keys(now)])].toSorted().flatMap((file) => {
    if (before[file] === now[file]) return []
    return [`${file} (${now[file] === undefined ? "removed" : before[file] === undefined ? "new" : "changed"})`]
  })
