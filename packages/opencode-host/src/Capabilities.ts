/**
 * What an engine of OpenCode can do. OpenCode 1.18 carries two: `classic` (`/session/*`, which its own terminal uses)
 * and `next` (`/api/*`, of which 2.x is made). They share the list of sessions, but not their messages.
 *
 * @since 0.1.0
 */

/**
 * @category models
 * @since 0.1.0
 */
export type Engine = "classic" | "next"

/**
 * What the port can do with the engine that is spoken to. A call that needs what is missing fails with `Unsupported`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Capabilities {
  readonly engine: Engine
  /** `sessions.history`: the engine keeps a log of each session. */
  readonly replay: boolean
  /** A prompt that is sent again under its ids never runs again, whatever the session has done since. */
  readonly idempotentPrompt: boolean
  /** `sessions.create` takes `title`, `metadata` and `parentId`. */
  readonly sessionDetails: boolean
  /** `sessions.rename`. */
  readonly rename: boolean
  /** `sessions.remove`. */
  readonly remove: boolean
  /** `sessions.list({ since })` costs what changed; otherwise it reads the whole list. */
  readonly indexedList: boolean
  /** A prompt takes `system`. */
  readonly systemPrompt: boolean
  /** `models` knows the default, and which models reason. */
  readonly modelDetails: boolean
  /** The agent can delegate to sub-agents, whose requests the turn shows. */
  readonly subAgents: boolean
  /**
   * The password of the server, and the configuration that the host was given, are kept from the agent's commands: from
   * their environment, and from `/proc`. It is the server that decides, not its engine.
   */
  readonly passwordHidden: boolean
  /** A provider's failure is told with its HTTP status (`TurnFailure.statusCode`). */
  readonly failureStatus: boolean
}

type EngineCapabilities = Omit<Capabilities, "passwordHidden">

/**
 * @category constants
 * @since 0.1.0
 */
export const classicCapabilities: EngineCapabilities = {
  engine: "classic",
  replay: false,
  idempotentPrompt: false,
  sessionDetails: true,
  rename: true,
  remove: true,
  indexedList: true,
  systemPrompt: true,
  modelDetails: true,
  subAgents: true,
  failureStatus: true
}

/**
 * @category constants
 * @since 0.1.0
 */
export const nextCapabilities: EngineCapabilities = {
  engine: "next",
  replay: true,
  idempotentPrompt: true,
  sessionDetails: false,
  rename: false,
  remove: false,
  indexedList: false,
  systemPrompt: false,
  modelDetails: false,
  subAgents: false,
  failureStatus: false
}
