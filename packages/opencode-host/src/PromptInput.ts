/** The prompts and commands that a client sends, and those that a host runs as turns. */
import type * as Duration from "effect/Duration"

/**
 * A file of a prompt. OpenCode reads `text/plain` out to the model, and sends images, PDF, audio and video as they are; a model
 * without this kind of input receives an error text instead of the file.
 */
export interface PromptFile {
  readonly name: string
  /** A media type, such as `image/png`. */
  readonly type: string
  readonly bytes: Uint8Array
}

/**
 * One prompt under ids that the caller made (`ascendingId`), so that it may be sent again until it is delivered.
 */
export interface PromptInput {
  readonly sessionId: string
  /** `msg_…`, unique among all sessions. */
  readonly messageId: string
  /** `prt_…`, unique among all sessions: the id of the text. */
  readonly partId: string
  readonly text: string
  readonly files?: ReadonlyArray<PromptFile> | undefined
  /** `provider/model`; split at the first slash. */
  readonly model?: string | undefined
  readonly agent?: string | undefined
  /** A variant of the model, such as a reasoning effort. */
  readonly variant?: string | undefined
  readonly system?: string | undefined
}

/** A command of OpenCode to run. `model` and `agent`: only where the command has none of its own. */
export interface CommandInput extends Pick<
  PromptInput,
  "sessionId" | "messageId" | "files" | "model" | "agent" | "variant"
> {
  /** Without the `/`. */
  readonly command: string
  readonly arguments: string
}

/** The use at which a turn is stopped: US dollars as OpenCode computes them, and tokens without cache reads. */
export interface TurnBudget {
  readonly cost?: number | undefined
  readonly tokens?: number | undefined
}

/** A prompt to run. `OpenCodeHost.turn` makes the ids that are absent. */
export interface TurnInput extends Omit<PromptInput, "messageId" | "partId"> {
  /** Keep it to send or follow the same prompt again, after a failure or a restart of the program. */
  readonly messageId?: string | undefined
  readonly partId?: string | undefined
  /**
   * Send it although this host runs a turn in the session. That turn ends with what it had (`takenOver`) as soon as the
   * model reads this prompt. Default: false, such a turn fails with `Busy`.
   */
  readonly steer?: boolean | undefined
  /**
   * A command of OpenCode to run, without the `/`; `text` is its arguments then. It is `Delivered` before it is sent, because
   * its template may run a shell: it is sent once. Arguments that would run a shell or attach a file of another folder
   * fail with `CommandRefused`. It cannot steer.
   */
  readonly command?: string | undefined
  /**
   * The turn is aborted (`BudgetExceeded`) when its use, that of its sub-agents included, exceeds one of them. It is checked at
   * the end of each model step, so it may be exceeded by one step. Default: none.
   */
  readonly budget?: TurnBudget | undefined
  /**
   * With `attach`: an interruption leaves a turn whose request is open to the server, and the same ids follow it later.
   * Default: false, an interruption aborts it.
   */
  readonly leaveAsking?: boolean | undefined
  /** Time after which the turn is aborted, without the time in which a request of it is open. Default: none. */
  readonly deadline?: Duration.Input | undefined
}
