/**
 * Everything that can go wrong between a program and its OpenCode server, as ONE error with a tagged `reason`.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

/**
 * No usable OpenCode binary. Recovery: install OpenCode, or point `binary` or `OPENCODE_BIN` at it; retrying is useless.
 *
 * @category reasons
 * @since 0.1.0
 */
export class BinaryNotFound extends Schema.TaggedClass<BinaryNotFound>()("BinaryNotFound", {
  /** What is wrong, with the place that was looked at. */
  problem: Schema.String
}) {
  get message() {
    return `${this.problem}. Install OpenCode 1.18 (npm install -g opencode-ai), or set OPENCODE_BIN to its binary.`
  }
}

/**
 * The binary exists and can never run on this machine. Recovery: another build of OpenCode, as `problem` says.
 *
 * @category reasons
 * @since 0.1.0
 */
export class BinaryUnusable extends Schema.TaggedClass<BinaryUnusable>()("BinaryUnusable", {
  path: Schema.String,
  /** With its errno or signal. */
  problem: Schema.String
}) {
  get message() {
    return `The OpenCode binary ${this.path} cannot run here: ${this.problem}.`
  }
}

/**
 * The directory to work in does not exist or is not a directory. Recovery: another directory.
 *
 * @category reasons
 * @since 0.1.0
 */
export class DirectoryNotFound extends Schema.TaggedClass<DirectoryNotFound>()("DirectoryNotFound", {
  directory: Schema.String,
  problem: Schema.Literals(["missing", "not-a-directory", "unreadable"])
}) {
  get message() {
    const what = { missing: "does not exist", "not-a-directory": "is not a directory", unreadable: "cannot be read" }
    return `The directory ${this.directory} ${what[this.problem]}. Create it, or give another one.`
  }
}

/**
 * A living process hosts OpenCode in this directory already: another one, or this one with another host. Recovery: stop
 * that process or close that host, use its server with `attach`, or use another directory.
 *
 * @category reasons
 * @since 0.1.0
 */
export class DirectoryInUse extends Schema.TaggedClass<DirectoryInUse>()("DirectoryInUse", {
  directory: Schema.String,
  /** The process that holds the directory. */
  pid: Schema.Int,
  /** Whether that is the process which asked. */
  isThisProcess: Schema.Boolean,
  lockFile: Schema.String
}) {
  get message() {
    return this.isThisProcess
      ? `This process (${this.pid}) already hosts OpenCode in ${this.directory}. Use that host, close it first, or use another directory. (Lock: ${this.lockFile})`
      : `OpenCode is already hosted in ${this.directory} by process ${this.pid}. Stop that process first, or use another directory. (Lock: ${this.lockFile})`
  }
}

/**
 * The server did not come up. Recovery: read `output`; the next use tries again by itself.
 *
 * @category reasons
 * @since 0.1.0
 */
export class StartFailed extends Schema.TaggedClass<StartFailed>()("StartFailed", {
  problem: Schema.String,
  /** The last lines that the process wrote, secrets removed. */
  output: Schema.Array(Schema.String)
}) {
  get message() {
    const said = this.output.length === 0 ? "It wrote nothing." : `It wrote:\n${this.output.join("\n")}`
    return `OpenCode did not start: ${this.problem}. ${said}`
  }
}

/**
 * The server failed too often: it is not started any more for now. Recovery: remove what `last` says; a use after
 * `retryMillis` tries again by itself.
 *
 * @category reasons
 * @since 0.1.0
 */
export class GaveUp extends Schema.TaggedClass<GaveUp>()("GaveUp", {
  /** Failed starts and unexpected ends, within the window of `Options.restart`. */
  failures: Schema.Int,
  /** Why it failed the last time. */
  last: Schema.String,
  retryMillis: Schema.Finite
}) {
  get message() {
    return `OpenCode failed ${this.failures} times and is not started again for ${Math.ceil(this.retryMillis / 1000)} s. The last time: ${this.last}`
  }
}

/**
 * The server's version is outside the tested range. Recovery: install a supported one, or set `allowUntestedVersion`,
 * which does not apply to OpenCode 2.x: its API is another one.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnsupportedVersion extends Schema.TaggedClass<UnsupportedVersion>()("UnsupportedVersion", {
  version: Schema.String,
  supported: Schema.String
}) {
  get message() {
    return this.version.startsWith("1.")
      ? `OpenCode ${this.version} is not supported: this program is tested with ${this.supported}. Install that version.`
      : `OpenCode ${this.version} is not supported: its API is not that of OpenCode 1.x, which this program uses. Install ${this.supported}.`
  }
}

/**
 * OpenCode does not know the thing asked for. Recovery: it was deleted, or never existed here; recreate or forget it.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedClass<NotFound>()("NotFound", {
  operation: Schema.String,
  detail: Schema.String
}) {
  get message() {
    return `OpenCode has no such thing (${this.operation}): ${this.detail}`
  }
}

/**
 * Two options exclude each other. Recovery: `advice` says which one to leave out.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unsupported extends Schema.TaggedClass<Unsupported>()("Unsupported", {
  operation: Schema.String,
  advice: Schema.String
}) {
  get message() {
    return `OpenCode does not support ${this.operation}. ${this.advice}`
  }
}

/**
 * The session is running a turn already. Recovery: wait for its end; two prompts at once would share one answer.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Busy extends Schema.TaggedClass<Busy>()("Busy", { sessionId: Schema.String }) {
  get message() {
    return `The session ${this.sessionId} is running a turn. Wait until it has ended, or abort it.`
  }
}

/**
 * The server refuses the user name or the password. Recovery: correct `attach`; a server that this host started never
 * does so.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unauthorized extends Schema.TaggedClass<Unauthorized>()("Unauthorized", {
  operation: Schema.String,
  /** Which server. */
  url: Schema.String,
  username: Schema.String
}) {
  get message() {
    return `The OpenCode server at ${this.url} refuses the password, or the user name "${this.username}" (${this.operation}).`
  }
}

/**
 * The server cannot be reached: it died. Recovery: try again, the next use starts a new server. Whether the request took
 * effect is unknown.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unavailable extends Schema.TaggedClass<Unavailable>()("Unavailable", {
  operation: Schema.String,
  detail: Schema.String
}) {
  get message() {
    return `OpenCode cannot be reached (${this.operation}): ${this.detail}`
  }
}

/**
 * The server did not answer in time. Recovery: as for `Unavailable`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Timeout extends Schema.TaggedClass<Timeout>()("Timeout", {
  operation: Schema.String,
  millis: Schema.Finite
}) {
  get message() {
    return `OpenCode did not answer within ${this.millis} ms (${this.operation})`
  }
}

/**
 * The server answered something that this version does not understand, or refused the request's form.
 * Recovery: none by retrying; it is a wrong argument, an untested version, or a bug.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Protocol extends Schema.TaggedClass<Protocol>()("Protocol", {
  operation: Schema.String,
  /** HTTP status, where there was one. */
  status: Schema.optionalKey(Schema.Int),
  detail: Schema.String
}) {
  get message() {
    const status = this.status === undefined ? "" : ` with status ${this.status}`
    return `OpenCode answered unexpectedly${status} (${this.operation}): ${this.detail}`
  }
}

/**
 * A file of the project cannot be read safely, or is not valid, and it might say what OpenCode is to do. Recovery: correct or
 * remove the file, or give the project's configuration all effect (`Options.projectConfig`).
 *
 * @category reasons
 * @since 0.1.0
 */
export class ProjectUnusable extends Schema.TaggedClass<ProjectUnusable>()("ProjectUnusable", {
  /** Relative to the root of the project, or absolute where it belongs to the user. */
  file: Schema.String,
  problem: Schema.String
}) {
  get message() {
    return `The project's configuration cannot be used: ${printable(this.file)}: ${printable(this.problem)}. Correct or remove it.`
  }
}

/**
 * The configuration of a trusted project is not the one that was trusted. Recovery: look at the files, and trust the new
 * fingerprint (`inspectProject`) or none.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ProjectChanged extends Schema.TaggedClass<ProjectChanged>()("ProjectChanged", {
  /** Each file, and whether it is new, changed or removed. */
  changes: Schema.Array(Schema.String)
}) {
  get message() {
    const some = this.changes.slice(0, 10).map(printable).join(", ")
    const more = this.changes.length > 10 ? `, and ${this.changes.length - 10} more` : ""
    return `The project's configuration has changed since it was trusted: ${some}${more}. Look at it, and trust it again.`
  }
}

/** Names of files are the project's text. */
const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?").slice(0, 300)

/**
 * The host was closed or disposed of, or is closing. Recovery: use another host.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Closed extends Schema.TaggedClass<Closed>()("Closed", {}) {
  get message() {
    return "The host of OpenCode is closed: open another one"
  }
}

/**
 * An option or an argument has the wrong type or range. It is a mistake in the program. Recovery: none at run time.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidOption extends Schema.TaggedClass<InvalidOption>()("InvalidOption", {
  /** Its path, for example `restart.limit`. */
  option: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  get message() {
    return `The option ${this.option} must be ${this.expected}, and was ${this.actual}`
  }
}

/**
 * @category errors
 * @since 0.1.0
 */
export const HostErrorReason = Schema.Union([
  BinaryNotFound,
  BinaryUnusable,
  DirectoryNotFound,
  DirectoryInUse,
  StartFailed,
  GaveUp,
  UnsupportedVersion,
  NotFound,
  Unsupported,
  Busy,
  Unauthorized,
  Unavailable,
  Timeout,
  Protocol,
  ProjectUnusable,
  ProjectChanged,
  Closed,
  InvalidOption
])

/**
 * @category errors
 * @since 0.1.0
 */
export type HostErrorReason = typeof HostErrorReason.Type

/**
 * The one error of this package. Tell the cases apart by `reason._tag` (`Effect.catchReason("HostError", "NotFound", …)`);
 * each reason documents its recovery. `message` is one sentence for a person and never holds a secret.
 *
 * @category errors
 * @since 0.1.0
 */
export class HostError extends Schema.TaggedError<HostError>()("HostError", { reason: HostErrorReason }) {
  override get message(): string {
    return this.reason.message
  }
}
