/** Settings and status of the composed worker, without types of other packages. */

export interface WorkerSettings {
  /** Address of the Convex deployment. On another machine it must be an https address. */
  readonly url: string
  /** OpenCode's working directory. */
  readonly directory: string
  /** Folder of the worker's secret, which only its owner can read. Default: the one of `opencode-worker start`. */
  readonly data?: string | undefined
  /** Name of this machine for operators. Default: the host name. */
  readonly machine?: string | undefined
  /** `careful`: each tool call waits for an operator, except for reading inside the directory. Default: `careful`. */
  readonly permissions?: "careful" | "inherit" | undefined
  /** The only operator that may own the worker, as `issuer|subject`. Default: the one who approves it. */
  readonly owner?: string | undefined
  /** The OpenCode binary. Default: `OPENCODE_BIN`, the installed package, `PATH`. */
  readonly binary?: string | undefined
  /** OpenCode's whole environment. Default: the environment of this process. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** Milliseconds without use after which OpenCode stops until the next prompt. Default: it keeps running. */
  readonly idleTimeout?: number | undefined
  /** Milliseconds in which a request of OpenCode must be answered; `Infinity`: no limit. Default: 24 hours. */
  readonly askTimeout?: number | undefined
  /** Stop a turn whose use exceeds one of these: US dollars, or tokens without cache reads. Default: none. */
  readonly budget?: { readonly cost?: number; readonly tokens?: number } | undefined
  /** Let operators run shell commands, which need no approval. Default: false. */
  readonly allowShell?: boolean | undefined
}

export interface WorkerStatus {
  /** State of the lifecycle: `Registering`, `AwaitingApproval`, `Connecting`, `Ready`, `Paused`, `Recovering`, … */
  readonly phase: string
  /** Reason of `Recovering`, `Stopped` and other states that have one. */
  readonly detail: string | undefined
}

export interface WorkerEnd {
  readonly detail: string
  /** 0 after a requested stop, otherwise the exit code of `opencode-worker start`. */
  readonly exitCode: number
}
