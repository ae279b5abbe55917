/**
 * A running OpenCode server and its binary.
 */
import type * as Redacted from "effect/Redacted"

/**
 * The binary and the place where it was found.
 */
export interface Binary {
  readonly path: string
  readonly source: "option" | "OPENCODE_BIN" | "package" | "PATH"
}

/**
 * A running server.
 */
export interface OpenCodeServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** For HTTP Basic auth. */
  readonly username: string
  /** A program that has it controls the agent. */
  readonly password: Redacted.Redacted
  /**
   * Whether the password of the server, and the configuration that the host was given, are kept from the agent's
   * commands: from their environment and from `/proc`. False for a server that was attached to, where it is unknown.
   */
  readonly passwordHidden: boolean
  readonly version: string
  /** Undefined for a server that was attached to. */
  readonly pid: number | undefined
  readonly binary: Binary | undefined
  /** From spawn to the first healthy answer, in ms; 0 for a server that was attached to. */
  readonly bootMillis: number
  /** Epoch ms at which it was ready. */
  readonly startedAt: number
}
