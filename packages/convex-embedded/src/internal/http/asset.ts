/** One static file, and its response: type, caching, compression and the headers that protect a page. */
import { createHash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { type AssetPolicy, policyText } from "./asset-policy.ts"
import { planContent, sendContent } from "./content.ts"
import { mediaTypeOf } from "./media-types.ts"

export interface Asset {
  readonly bytes: Uint8Array
  readonly type: string
  /** Without quotes. */
  readonly hash: string
  readonly cacheControl: string
  readonly policy: AssetPolicy
  /** The compressed content, made at the first call; `null` if compression does not help. */
  readonly compressed: () => Promise<Uint8Array | null>
}

interface AssetRules {
  readonly isImmutable: boolean
  readonly policy: AssetPolicy
}

export const makeAsset = (path: string, bytes: Uint8Array, { isImmutable, policy }: AssetRules): Asset => {
  const type = mediaTypeOf(path)
  let compressed: Promise<Uint8Array | null> | undefined
  return {
    bytes,
    cacheControl: isImmutable ? "public, max-age=31536000, immutable" : "no-cache",
    compressed: () => (compressed ??= isCompressible(type) ? compress(bytes) : Promise.resolve(null)),
    hash: createHash("sha256").update(bytes).digest("base64url"),
    policy,
    type
  }
}

/** Text formats; images, fonts and archives are compressed already. */
const isCompressible = (type: string): boolean => /^text\/|^application\/(?:manifest\+)?json|\+xml|wasm/.test(type)

const compress = async (bytes: Uint8Array): Promise<Uint8Array | null> => {
  const result = await promisify(gzip)(bytes, { level: 9 })
  return result.byteLength < bytes.byteLength ? result : null
}

const acceptsGzip = (header: string | string[] | undefined): boolean =>
  String(header ?? "")
    .split(",")
    .some((each) => /^\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/i.test(each))

export const sendAsset = async (request: IncomingMessage, response: ServerResponse, asset: Asset): Promise<void> => {
  const { "accept-encoding": encodings, host, range } = request.headers
  // A range is one of the plain content, because that is what a client with a part of the file has.
  const compressed = range === undefined && acceptsGzip(encodings) ? await asset.compressed() : null
  const bytes = compressed ?? asset.bytes
  const described = { etag: `"${asset.hash}${compressed === null ? "" : "-gzip"}"`, size: bytes.byteLength }
  const plan = planContent(request.headers, described)
  sendContent(request, response, described, plan, {
    bytes: plan.range === null ? null : bytes.subarray(plan.range.start, plan.range.end),
    headers: {
      "cache-control": asset.cacheControl,
      ...(compressed !== null && { "content-encoding": "gzip" }),
      // Also of scripts: a worker has the policy of its own file.
      "content-security-policy": policyText(asset.policy, host),
      "content-type": asset.type,
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      vary: "accept-encoding",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY"
    }
  })
}
