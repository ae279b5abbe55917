/** @since 0.1.0 */

/**
 * Why a deployment could not be made, or serves no longer.
 *
 * - `PortInUse`: another program listens on the port. Choose another one, or `port: 0` for a free one.
 * - `DataInUse`: another process serves this data folder. Connect to its URL, or end it.
 * - `DataCorrupt`: the data file is not a database of this package, or is damaged. It is left as it was.
 * - `FunctionsNotFound`: the functions folder does not exist or has no module.
 * - `InvalidFunctions`: the functions do not bundle or load, or the stored documents do not match their schema.
 * - `DiskFailed`: while serving, the disk refused what was committed. Every call fails until the deployment is made anew.
 * - `DiskFull`: the disk of the data folder has no space to start with. Free some, and start again.
 * - `InvalidOptions`: an option has a wrong value.
 *
 * @category errors
 * @since 0.1.0
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

/**
 * The only error that making a deployment rejects with. The `message` is written for the person who has to act on it.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConvexEmbeddedError extends Error {
  override readonly name = "ConvexEmbeddedError"
  readonly code: ConvexEmbeddedErrorCode

  constructor(code: ConvexEmbeddedErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
