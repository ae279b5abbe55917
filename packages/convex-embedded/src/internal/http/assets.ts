/**
 * Static files of a web page.
 *
 * Invariants
 * - All content is read at the start, and a request is a lookup in a map. So no request path reaches the file system.
 * - A file of the folder is served only if its real path is inside of the folder.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { join, relative, sep } from "node:path"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import type { AssetOptions } from "../../Options.ts"
import { messageOf } from "../values/errors.ts"
import { limits } from "../values/limits.ts"
import { planContent, sendContent } from "./content.ts"
import { mediaTypeOf } from "./media-types.ts"

export interface Asset {
  readonly bytes: Uint8Array
  readonly type: string
  readonly etag: string
  readonly cacheControl: string
  readonly policy: string | undefined
}

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
    const { contentSecurityPolicy, fallback, files } = options
    const contents = typeof files === "string" ? readFolder(files) : contentsOf(files)
    const total = [...contents.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (total > limits.assetBytes) {
      throw invalid(`The assets have ${total} bytes; at most ${limits.assetBytes} are served.`)
    }
    const byPath = new Map([...contents].map(([path, bytes]) => [path, assetOf(path, bytes, contentSecurityPolicy)]))
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

const assetOf = (path: string, bytes: Uint8Array, policy: string | undefined): Asset => ({
  bytes,
  // The content of a name with a hash never changes; a copy of any other file is checked before each use.
  cacheControl: isHashed(path) ? "public, max-age=31536000, immutable" : "no-cache",
  etag: `"${createHash("sha256").update(bytes).digest("base64url")}"`,
  policy,
  type: mediaTypeOf(path)
})

/**
 * Whether a bundler has put a hash of the content into the name, as in `index-DiwrgTda.js`: 8 or more characters before the
 * extension, with a digit, or with upper and lower case in a way that a word does not have.
 */
export const isHashed = (path: string): boolean => {
  const [, hash] = /[-.]([\w-]{8}|\w{8,64})\.[a-z0-9]+(?:\.map)?$/.exec(path) ?? []
  return hash !== undefined && (/\d/.test(hash) || (/[a-z]/.test(hash) && /.[A-Z]/.test(hash)))
}

/** Scripts, styles and connections of the own origin. `host`: not all browsers count WebSockets to it as `'self'`. */
const defaultPolicy = (host: string | undefined): string => {
  const sockets = host !== undefined && /^[\w.:[\]-]+$/.test(host) ? ` ws://${host} wss://${host}` : ""
  return [
    "default-src 'none'",
    "script-src 'self'",
    `connect-src 'self'${sockets}`,
    "img-src 'self' blob: data:",
    "style-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'"
  ].join("; ")
}

export const sendAsset = (request: IncomingMessage, response: ServerResponse, asset: Asset): void => {
  const described = { etag: asset.etag, size: asset.bytes.byteLength }
  const plan = planContent(request.headers, described)
  const { range } = plan
  sendContent(request, response, described, plan, {
    bytes: range === null ? null : asset.bytes.subarray(range.start, range.end),
    headers: {
      "cache-control": asset.cacheControl,
      // Also of scripts: a worker has the policy of its own file.
      "content-security-policy": asset.policy ?? defaultPolicy(request.headers.host),
      "content-type": asset.type,
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff"
    }
  })
}
