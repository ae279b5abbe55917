import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type { ProjectConfig } from "./ProjectConfig.ts"

/**
 * How often a server may fail before it is given up. A failure is a failed start or an unexpected exit;
 * the next start comes after 0.5, 1, 2, … 30 s, a quarter more or less.
 */
export interface RestartOptions {
  /** Failures within the window that make the host give up. Default 5. */
  readonly limit?: number | undefined
  /** The window. Default 10 minutes. */
  readonly within?: Duration.Input | undefined
  /** How long uses then fail with `GaveUp`, before one of them tries again. Default 1 minute. */
  readonly retryAfter?: Duration.Input | undefined
}

/**
 * When an idle server is replaced by a fresh one. Without a limit it never is.
 */
export interface RecycleOptions {
  /** Resident memory of the server process, in bytes. OpenCode needs about 400 MB to start, 850 MB under load. */
  readonly memory?: number | undefined
  readonly age?: Duration.Input | undefined
}

export interface OpenCodeHostOptions {
  /** Where the agent works. Must exist. */
  readonly directory: string
  /**
   * Path of the OpenCode binary. Default: `OPENCODE_BIN`, the installed platform package, `PATH`, in this order; the `opencode` of
   * `PATH` comes before the package if it is a newer OpenCode 1.
   */
  readonly binary?: string | undefined
  /** Run a version of OpenCode 1 outside of the tested ones (1.18.20 or a later 1.18) although it lacks operations. Default false. */
  readonly allowUntestedVersion?: boolean | undefined
  /** Added to the few variables that the server inherits. Tools of the agent see all of it: keep secrets out. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** OpenCode configuration, merged over the user's and the project's. The agent's commands do not see it. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
  /**
   * Every tool call waits for an answer (`permissions.reply`), in every agent and session, whatever the user's, the project's
   * or an agent's configuration allows; what it denies stays denied. Exempt are tools that read inside the directory or
   * change nothing: `read` (but `.env` files), `list`, `glob`, `grep`, `task`, `todowrite`, `skill`, `question`. Formatters,
   * language servers, and custom tools, which cannot ask, do not run. For a server that this host starts; fails with
   * `Unsupported` with `attach`. Default false.
   */
  readonly alwaysAsk?: boolean | undefined
  /**
   * Files and folders that no tool of OpenCode may read or change, by whatever link it reaches them. A shell command can:
   * only a person who is asked for it can guard against that. Fails with `Unsupported` with `attach`.
   */
  readonly deniedPaths?: ReadonlyArray<string> | undefined
  /**
   * Contain the server and everything that it starts in a Linux control group where this machine allows it. Default
   * true. Without one, processes are found by what they inherit; see the README.
   */
  readonly contain?: boolean | undefined
  /**
   * The effect of the project's own configuration. Default: `"all"`, as OpenCode does. Read again at each start of the server,
   * which fails with `ProjectUnusable` or `ProjectChanged`. For a server that this host starts; `Unsupported` with `attach`.
   */
  readonly projectConfig?: ProjectConfig | undefined
  /** `eager` starts the server in the background at once; `lazy` (default) at the first use. */
  readonly start?: "lazy" | "eager" | undefined
  /** Default 30 seconds. */
  readonly startTimeout?: Duration.Input | undefined
  readonly restart?: RestartOptions | undefined
  /**
   * Ends the server when it was not used for this long and no session is busy; the next use starts it. Every call of
   * the client and every event is a use; listening is not. Default: never.
   */
  readonly idleTimeout?: Duration.Input | undefined
  readonly recycle?: RecycleOptions | undefined
  /** How long closing the host waits for busy sessions before it ends the server under them. Default 5 seconds. */
  readonly stopTimeout?: Duration.Input | undefined
  /** Use a server that this host did not start, and never stop it. */
  readonly attach?:
    | {
        readonly url: string
        /** Default: `opencode`. */
        readonly username?: string | undefined
        readonly password: Redacted.Redacted | string
      }
    | undefined
  /** Where the lock of the directory lives. Default: `$XDG_STATE_HOME/opencode-worker`. */
  readonly stateDirectory?: string | undefined
}
