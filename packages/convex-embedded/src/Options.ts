/** The options of a deployment, and their validation. */
import { ConvexEmbeddedError } from "./ConvexEmbeddedError.ts"
import { isHostEntry, isOriginEntry } from "./internal/access/access.ts"
import type { Durability } from "./internal/storage/store.ts"
import type { AuthProvider } from "./internal/values/identity.ts"
import { limits } from "./internal/values/limits.ts"

/** Static files of a web page, on the deployment's own port. Paths below `/api/` and `/http/`, and `/version` are never served. */
export interface AssetOptions {
  /**
   * A folder, or the content of each file by its path, such as `/index.html`. `/` is `/index.html`. Read at the start and
   * by `reload`, 64 MiB at most. Names that begin with a dot are left out, except `.well-known`. A link that leads out of
   * the folder is rejected.
   */
  readonly files: string | Readonly<Record<string, Uint8Array | string>>
  /** The page for navigations to paths without a file and without an HTTP action, such as `/index.html`. Default: none. */
  readonly fallback?: string
  /**
   * A folder, such as `/assets/`, whose files never change, because their names contain a hash of their content. Browsers
   * keep these for a year without a request. Default: none, so that every file is revalidated by its `ETag`.
   */
  readonly immutable?: string
  /**
   * The `Content-Security-Policy` of the files. Default: scripts, styles, workers and connections of the own origin only,
   * no frames, and Trusted Types.
   */
  readonly contentSecurityPolicy?: string
  /** Names of the Trusted Types policies that scripts may create, for the default policy. Default: any. */
  readonly trustedTypes?: ReadonlyArray<string>
}

/** A second address, for other machines. */
export interface RemoteOptions {
  /** The address to listen on, such as `0.0.0.0`. */
  readonly host: string
  /** Default 0: any free port. */
  readonly port?: number
  /** PEM texts. Without them it is plain HTTP, for a proxy that ends TLS. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export interface ConvexEmbeddedOptions {
  /**
   * An ordinary `convex/` folder. TypeScript in it requires the optional peer `esbuild`, and so does
   * JavaScript that imports files without their extension, as for Convex.
   */
  readonly functions: string
  /**
   * The folder of the data; created if missing. One process at a time can use it. Only its owner can read it: a folder
   * that is open to others is tightened, and one that another user placed is rejected.
   */
  readonly dataDir: string
  /** The TCP port. Default 0: any free port. */
  readonly port?: number
  /** The address to listen on. Default `127.0.0.1`: only programs of this machine can connect. */
  readonly host?: string
  /**
   * A second address, for other machines, in addition to `host` and `port`. Programs of this machine keep their own address
   * without TLS, whatever the name in the certificate is. Default: none.
   */
  readonly remote?: RemoteOptions
  /**
   * Names in URLs under which the deployment is reached, in addition to the addresses that it listens on, such as
   * `dev.example.com` behind a proxy. `*` accepts any name, which permits DNS rebinding by web pages. Default: none.
   */
  readonly allowedHosts?: ReadonlyArray<string>
  /**
   * Origins of web pages that may use the deployment, in addition to its own address: `https://app.example.com`,
   * `loopback` for any page of this machine, `null` for pages without an origin, or `*` for any page. Programs send no
   * origin and are not affected. Default: none.
   */
  readonly allowedOrigins?: ReadonlyArray<string>
  /**
   * Bytes that all connections together may occupy with received, pending and unread messages. Beyond it, clients without
   * a token are dropped first. Default 256 MiB.
   */
  readonly connectionMemory?: number
  /** Static files that are served next to the functions. Default: none. */
  readonly assets?: AssetOptions
  readonly auth?: {
    /** Trusted issuers, instead of those of the folder's `auth.config.ts`. */
    readonly providers?: ReadonlyArray<AuthProvider>
    /**
     * Whether keys of issuers may be fetched from other machines over `https:`: by OpenID Connect discovery for providers
     * with a `domain`, and from the `jwks` of others. Default false: no network access.
     */
    readonly discovery?: boolean
  }
  /**
   * The failures that an acknowledged mutation survives. `full`, the default: a crash of the process or machine, and a
   * power loss. `normal`: a crash of the process; a power loss may lose the last commits. It is faster on slow disks.
   */
  readonly durability?: Durability
  /** Milliseconds that the own code of a query or mutation may take. Default 1000, as in Convex. */
  readonly userTimeLimit?: number
  /**
   * Permits clients with this key to call internal functions, to act as any user, and to export and import tables.
   * Without it no client can. At least 16 characters.
   */
  readonly adminKey?: string
  /** Called once no other process can use the data folder, before functions run: for work that need not wait for the rest. */
  readonly onLocked?: () => void
  /** Receives warnings for the user, such as that the data folder was tightened. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void
}

/** A smaller limit would not admit one call with the largest arguments. */
const LEAST_MEMORY = 64 * 1024 * 1024

const invalidEntry = (option: keyof ConvexEmbeddedOptions, should: string, given: string) =>
  new ConvexEmbeddedError("InvalidOptions", `An entry of the option ${option} must be ${should}, not ${given}.`)

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= 65_535

/** Fails with `InvalidOptions`. */
export const checkOptions = (options: ConvexEmbeddedOptions): void => {
  const invalid = (option: keyof ConvexEmbeddedOptions, should: string) => {
    const given = options[option] as string | number | undefined
    return new ConvexEmbeddedError("InvalidOptions", `The option ${option} must be ${should}, not ${given}.`)
  }
  const { allowedHosts = [], allowedOrigins = [], connectionMemory = limits.connectionMemory } = options
  const { adminKey, durability = "full", host = "127.0.0.1", port = 0, remote, userTimeLimit = 1000 } = options
  for (const option of ["functions", "dataDir"] as const) {
    if (typeof options[option] !== "string" || options[option] === "") throw invalid(option, "the path of a folder")
  }
  if (typeof host !== "string" || host === "") throw invalid("host", "an address such as 127.0.0.1")
  if (!isPort(port)) throw invalid("port", "a whole number from 0 to 65535")
  if (remote !== undefined && !(typeof remote.host === "string" && remote.host !== "" && isPort(remote.port ?? 0))) {
    throw new ConvexEmbeddedError("InvalidOptions", "The option remote must have an address and a port.")
  }
  if (adminKey !== undefined && (typeof adminKey !== "string" || adminKey.length < 16)) {
    // The value is not shown: it may be a secret.
    throw new ConvexEmbeddedError("InvalidOptions", "The option adminKey must be a text of at least 16 characters.")
  }
  for (const origin of allowedOrigins) {
    if (!isOriginEntry(origin))
      throw invalidEntry("allowedOrigins", "an origin such as https://app.example.com", origin)
  }
  for (const name of allowedHosts) {
    if (!isHostEntry(name)) throw invalidEntry("allowedHosts", "a name such as dev.example.com", name)
  }
  if (!(Number.isInteger(connectionMemory) && connectionMemory >= LEAST_MEMORY)) {
    throw invalid("connectionMemory", `a whole number of bytes, at least ${LEAST_MEMORY}`)
  }
  for (const name of options.assets?.trustedTypes ?? []) {
    if (!/^[\w\-#=/@.%]+$/.test(name)) throw invalidEntry("assets", "a name of a policy in trustedTypes", name)
  }
  if (!(userTimeLimit > 0)) throw invalid("userTimeLimit", "a number of milliseconds above 0")
  if (durability !== "full" && durability !== "normal") throw invalid("durability", '"full" or "normal"')
}
