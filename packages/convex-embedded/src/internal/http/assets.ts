/**
 * Static files of a web page.
 *
 * Invariants
 * - All content is read at the start, and a request is a lookup in a map. So no request path reaches the file system.
 * - A file of the folder is served only if its real path is inside of the folder.
 */
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import type { AssetOptions } from "../../Options.ts"
import { messageOf } from "../values/errors.ts"
import { limits } from "../values/limits.ts"
import { type Asset, makeAsset } from "./asset.ts"
import { defaultPolicy } from "./asset-policy.ts"

export class Assets {
  readonly #byPath: ReadonlyMap<string, Asset>
  readonly #fallback: Asset | null

  private constructor(byPath: ReadonlyMap<string, Asset>, fallback: Asset | null) {
    this.#byPath = byPath
    this.#fallback = fallback
  }

  /** Fails with `InvalidOptions`. */
  static load(options: AssetOptions | undefined): Assets {
    if (options === undefined) return new Assets(new Map(), null)
    const { contentSecurityPolicy, fallback, files, immutable, trustedTypes } = options
    const policy = contentSecurityPolicy ?? defaultPolicy(trustedTypes)
    if (immutable !== undefined && !/^\/.+\/$/.test(immutable))
      throw invalid(`The option immutable must be the path of a folder, such as /assets/, not ${immutable}.`)
    const contents = typeof files === "string" ? readFolder(files) : contentsOf(files)
    const total = [...contents.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (total > limits.assetBytes) {
      throw invalid(`The assets have ${total} bytes; at most ${limits.assetBytes} are served.`)
    }
    const isImmutable = (path: string) => immutable !== undefined && path.startsWith(immutable)
    const byPath = new Map(
      [...contents].map(([path, bytes]) => [path, makeAsset(path, bytes, { isImmutable: isImmutable(path), policy })])
    )
    const page = fallback === undefined ? null : byPath.get(fallback)
    if (page === undefined)
      throw invalid(`The fallback ${fallback} is not one of the assets. Use a path such as /index.html.`)
    return new Assets(byPath, page)
  }

  /** The file of a request path: `/` at its end is `/index.html`. */
  find(path: string): Asset | null {
    if (this.#byPath.size === 0) return null
    const name = decoded(path)
    return name === null ? null : (this.#byPath.get(name.endsWith("/") ? `${name}index.html` : name) ?? null)
  }

  /** The page of a single-page application, for navigations only: a missing script or image stays missing. */
  fallbackFor(path: string, accept: string | undefined): Asset | null {
    const isNavigation = accept?.includes("text/html") === true && decoded(path) !== null
    return isNavigation ? this.#fallback : null
  }
}

const decoded = (path: string): string | null => {
  try {
    return decodeURIComponent(path)
  } catch {
    return null
  }
}

const invalid = (message: string, cause?: unknown) => new ConvexEmbeddedError("InvalidOptions", message, { cause })

const contentsOf = (files: Readonly<Record<string, Uint8Array | string>>): Map<string, Uint8Array> =>
  new Map(
    Object.entries(files).map(([path, content]) => {
      if (!path.startsWith("/")) throw invalid(`The path ${path} of an asset must begin with a slash.`)
      return [path, typeof content === "string" ? Buffer.from(content) : content]
    })
  )

const readFolder = (folder: string): Map<string, Uint8Array> => {
  const contents = new Map<string, Uint8Array>()
  let left = limits.assetBytes
  const read = (root: string, file: string, path: string) => {
    const real = realpathSync(file)
    const inside = relative(root, real)
    if (inside === ".." || inside.startsWith(`..${sep}`) || inside === real) {
      throw invalid(`The link ${file} leads out of the folder of the assets. Copy the file into the folder.`)
    }
    const stats = statSync(real)
    // Sockets, pipes and devices are left out.
    if (!stats.isFile()) return
    left -= stats.size
    if (left < 0) throw invalid(`The assets in ${folder} have more than ${limits.assetBytes} bytes.`)
    contents.set(path, readFileSync(real))
  }
  const walk = (root: string, directory: string, prefix: string) => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const { name } = entry
      if (name.startsWith(".") && name !== ".well-known") continue
      const [file, path] = [join(directory, name), `${prefix}/${name}`]
      if (entry.isDirectory()) walk(root, file, path)
      // A linked folder would permit loops, so only linked files are served.
      else read(root, file, path)
    }
  }
  try {
    const root = realpathSync(folder)
    walk(root, root, "")
  } catch (cause) {
    if (cause instanceof ConvexEmbeddedError) throw cause
    throw invalid(`The assets in ${folder} cannot be read: ${messageOf(cause)}`, cause)
  }
  return contents
}
