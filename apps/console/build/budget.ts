/** Fails the build if the first screen costs more than its budget. Sizes are of gzip, as a server sends it. */
import { gzipSync } from "node:zlib"
import type { Plugin } from "vite"

interface Chunk {
  readonly code: string
  readonly imports: ReadonlyArray<string>
}

export interface Budget {
  /** Bytes of JavaScript, and of CSS. */
  readonly script: number
  readonly style: number
}

/** The chunks that are loaded before the first screen is shown: `first`, and all that they import statically. */
export const closure = (chunks: ReadonlyMap<string, Chunk>, first: ReadonlyArray<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  const visit = (name: string) => {
    if (found.has(name)) return
    found.add(name)
    for (const each of chunks.get(name)?.imports ?? []) visit(each)
  }
  for (const name of first) visit(name)
  return found
}

const sizeOf = (text: string | Uint8Array): number => gzipSync(text, { level: 9 }).length

/** `screens`: names of the chunks that show the first screen, in addition to the entries. */
export const budget = ({ script, style }: Budget, screens: ReadonlyArray<string>): Plugin => ({
  name: "budget",
  apply: "build",
  generateBundle(_, bundle) {
    const outputs = Object.values(bundle)
    const chunks = new Map(outputs.flatMap((each) => (each.type === "chunk" ? [[each.fileName, each] as const] : [])))
    const first = [...chunks.values()].filter(
      ({ isEntry, name }) => (isEntry && name !== "sw") || screens.includes(name)
    )
    const loaded = closure(
      chunks,
      first.map(({ fileName }) => fileName)
    )
    const scripts = [...loaded].reduce((sum, name) => sum + sizeOf(chunks.get(name)?.code ?? ""), 0)
    const styles = outputs.reduce(
      (sum, each) => (each.type === "asset" && each.fileName.endsWith(".css") ? sum + sizeOf(each.source) : sum),
      0
    )
    const found = `JavaScript to the first screen: ${scripts} of ${script} bytes; CSS: ${styles} of ${style} bytes (gzip)`
    if (scripts > script || styles > style) this.error(found)
    this.info(found)
  }
})
