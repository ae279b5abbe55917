/**
 * One OpenCode server for one directory, started when it is needed and never left behind.
 *
 * @since 0.1.0
 */
import { Context, type Duration, type Effect, type Redacted, type Stream } from "effect"
import type { HostError } from "./HostError.ts"
import type { HostEvent } from "./HostEvent.ts"
import type { OpenCodeClient, PromptInput } from "./OpenCodeClient.ts"
import type { TurnEvent } from "./TurnEvent.ts"

/**
 * The binary and the place where it was found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Binary {
  readonly path: string
  readonly source: "option" | "OPENCODE_BIN" | "package" | "PATH"
}

/**
 * A running server.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenCodeServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  readonly version: string
  /** Undefined for a server that was attached to. */
  readonly pid: number | undefined
  readonly binary: Binary | undefined
  /** From spawn to the first healthy answer, in ms; 0 for a server that was attached to. */
  readonly bootMillis: number
  /** Epoch ms at which it was ready. */
  readonly startedAt: number
}

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Where the agent works. Must exist. */
  readonly directory: string
  /** Path of the OpenCode binary. Default: `OPENCODE_BIN`, the installed platform package, `PATH`, in this order. */
  readonly binary?: string | undefined
  /** Run versions outside 1.18 too. Default false. */
  readonly allowUntestedVersion?: boolean | undefined
  /** Added to the few variables that the server inherits. Tools of the agent see all of it: keep secrets out. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** OpenCode configuration, merged over the user's. Handed over as a private file, not in the environment. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
  /** `eager` starts the server in the background at once; `lazy` (default) at the first use. */
  readonly start?: "lazy" | "eager" | undefined
  /** Default 30 seconds. */
  readonly startTimeout?: Duration.Input | undefined
  /** Use a server that somebody else runs, and never stop it. */
  readonly attach?: { readonly url: string; readonly password: Redacted.Redacted } | undefined
  /** Where the lock of the directory lives. Default: `$XDG_STATE_HOME/opencode-worker`. */
  readonly stateDirectory?: string | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface TurnInput extends PromptInput {
  /** Time after which the turn is aborted. Default: none. */
  readonly deadline?: Duration.Input | undefined
}

/**
 * **When to use**
 *
 * Use to work with OpenCode in one directory without owning its process.
 *
 * **Details**
 *
 * Building the layer does not wait for the server: it fails early on what is knowable (the directory, the binary, the
 * lock), and every use waits for the one shared start. A server that died is started anew by the next use. Closing the
 * layer's scope ends the server and everything that it started.
 *
 * @category services
 * @since 0.1.0
 */
export class OpenCodeHost extends Context.Service<
  OpenCodeHost,
  {
    /** Marks every process below the server; see `survivors`. */
    readonly hostId: string
    /** The directory, with symbolic links resolved. */
    readonly directory: string
    /** The running server, started if there is none. Callers share one start; a failure is not remembered. */
    readonly server: Effect.Effect<OpenCodeServer, HostError>
    readonly client: OpenCodeClient
    /** Live events from now on. All listeners share one connection; listening starts no server. */
    readonly events: Stream.Stream<HostEvent>
    /**
     * Runs one prompt. Fails only before `Delivered`, and then the same ids may be given again; afterwards it ends with
     * exactly one `Ended`. A prompt that OpenCode has already is followed, not sent. Interrupting aborts the turn.
     */
    readonly turn: (input: TurnInput) => Stream.Stream<TurnEvent, HostError>
    /** Aborts what the session runs and waits until it is idle (10 s at most, then `Timeout`). */
    readonly abort: (sessionId: string) => Effect.Effect<void, HostError>
  }
>()("@opencode-worker/opencode-host/OpenCodeHost") {}
