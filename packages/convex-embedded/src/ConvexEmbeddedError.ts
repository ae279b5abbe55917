/**
 * The reason of a failure:
 *
 * - `PortInUse`: another program listens on the port. Choose another one, or `port: 0`.
 * - `DataInUse`: another process serves this data folder; see `holder`. Connect to its URL, or end it.
 * - `DataCorrupt`: the data file is damaged, or is not a database of this package. The file is unchanged.
 * - `FunctionsNotFound`: the functions folder does not exist, or has no module.
 * - `InvalidFunctions`: the functions cannot be bundled or loaded, or stored documents do not match their schema.
 * - `DiskFailed`: the disk failed while the deployment served. Every call fails until it is started again.
 * - `DiskFull`: the disk of the data folder is full.
 * - `InvalidOptions`: an option is invalid, or a file cannot be written.
 */
export type ConvexEmbeddedErrorCode =
  | "PortInUse"
  | "DataInUse"
  | "DataCorrupt"
  | "FunctionsNotFound"
  | "InvalidFunctions"
  | "DiskFailed"
  | "DiskFull"
  | "InvalidOptions"

/** The only error that this package rejects with. The `message` states the problem and the remedy. */
export class ConvexEmbeddedError extends Error {
  override readonly name = "ConvexEmbeddedError"
  readonly _tag = "ConvexEmbeddedError"
  readonly code: ConvexEmbeddedErrorCode
  /** For `DataInUse`: the process that serves the data folder; `null` while it starts. */
  readonly holder: { readonly pid: number; readonly url: string } | null

  constructor(
    code: ConvexEmbeddedErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly holder?: ConvexEmbeddedError["holder"] } = {}
  ) {
    super(message, { cause: options.cause })
    this.code = code
    this.holder = options.holder ?? null
  }
}

export const isConvexEmbeddedError = (cause: unknown): cause is ConvexEmbeddedError =>
  cause instanceof ConvexEmbeddedError
