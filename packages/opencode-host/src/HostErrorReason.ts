/** The failures of this package, one class each: `HostError.reason` holds one of them. */
import * as Data from "effect/Data"

/** There is no OpenCode binary. Recovery: install OpenCode, or set the option `binary` or `OPENCODE_BIN`. */
export class BinaryNotFound extends Data.TaggedError("BinaryNotFound")<{
  /** The places that were searched. */
  readonly problem: string
}> {
  override get message() {
    return `${this.problem}. Install OpenCode 1.18 (npm install -g opencode-ai), or set OPENCODE_BIN to its binary.`
  }
}

/** The binary exists and can never run on this machine. Recovery: install another build, as `problem` says. */
export class BinaryUnusable extends Data.TaggedError("BinaryUnusable")<{
  readonly path: string
  /** With its errno or signal. */
  readonly problem: string
}> {
  override get message() {
    return `The OpenCode binary ${this.path} cannot run here: ${this.problem}.`
  }
}

/** The option `directory` names no usable directory. Recovery: use another directory. */
export class DirectoryNotFound extends Data.TaggedError("DirectoryNotFound")<{
  readonly directory: string
  readonly problem: "missing" | "not-a-directory" | "unreadable"
}> {
  override get message() {
    const problems = {
      missing: "does not exist",
      "not-a-directory": "is not a directory",
      unreadable: "cannot be read"
    }
    return `The directory ${this.directory} ${problems[this.problem]}. Create it, or use another one.`
  }
}

/** The host cannot write to the system's directory for temporary files. Recovery: set `TMPDIR`. */
export class TemporaryDirectoryUnusable extends Data.TaggedError("TemporaryDirectoryUnusable")<{
  readonly directory: string
  readonly problem: string
}> {
  override get message() {
    return `The private folder of OpenCode cannot be made in ${this.directory} (${this.problem}): set TMPDIR to a folder that is writable.`
  }
}

/**
 * A running process already hosts OpenCode in this directory: another process, or this one with another host. Recovery:
 * stop that process or close that host, use its server with `attach`, or use another directory.
 */
export class DirectoryInUse extends Data.TaggedError("DirectoryInUse")<{
  readonly directory: string
  /** The process that holds the directory. */
  readonly pid: number
  readonly isThisProcess: boolean
  readonly lockFile: string
}> {
  override get message() {
    return this.isThisProcess
      ? `This process (${this.pid}) already hosts OpenCode in ${this.directory}. Use that host, close it first, or use another directory. (Lock: ${this.lockFile})`
      : `OpenCode is already hosted in ${this.directory} by process ${this.pid}. Stop that process first, or use another directory. (Lock: ${this.lockFile})`
  }
}

/** The server did not start. Recovery: read `output`. The next use starts it again. */
export class StartFailed extends Data.TaggedError("StartFailed")<{
  readonly problem: string
  /** The last lines that the process wrote, without secrets. */
  readonly output: ReadonlyArray<string>
  /** Whether it was not ready within the option `startTimeout`: a later start may succeed, on a machine that is less busy. */
  readonly timedOut?: boolean | undefined
}> {
  override get message() {
    const written = this.output.length === 0 ? "It wrote nothing." : `It wrote:\n${this.output.join("\n")}`
    return `OpenCode did not start: ${this.problem}. ${written}`
  }
}

/** The server failed too often and is not restarted for now. Recovery: fix `last`. A use after `retryMillis` starts it. */
export class GaveUp extends Data.TaggedError("GaveUp")<{
  /** Failed starts and unexpected exits within the window of the option `restart`. */
  readonly failures: number
  /** The last failure. */
  readonly last: string
  /** Whether one of them was a start that exceeded the option `startTimeout`, as on a busy machine. */
  readonly timedOut: boolean
  readonly retryMillis: number
}> {
  override get message() {
    return `OpenCode failed ${this.failures} times and is not started again for ${Math.ceil(this.retryMillis / 1000)} s. The last failure: ${this.last}`
  }
}

/**
 * The server's version is outside the tested range and lacks operations that are needed. Recovery: install a supported
 * version, or set the option `allowUntestedVersion`. That option does not apply to OpenCode 2.x, which has another API.
 */
export class UnsupportedVersion extends Data.TaggedError("UnsupportedVersion")<{
  readonly version: string
  readonly supported: string
  /** The operations, such as `POST /session`. Empty for OpenCode 2.x. */
  readonly missing: ReadonlyArray<string>
}> {
  override get message() {
    const { length } = this.missing
    const more = length > 1 ? ` and ${length - 1} more` : ""
    return this.version.startsWith("1.")
      ? `OpenCode ${this.version} is not supported: this program is tested with ${this.supported}, and that version has no ${this.missing[0] ?? "such API"}${more}. Install ${this.supported}.`
      : `OpenCode ${this.version} is not supported: its API is not that of OpenCode 1.x, which this program uses. Install ${this.supported}.`
  }
}

/** OpenCode does not have the session, message or request. Recovery: it was deleted, or never existed here. */
export class NotFound extends Data.TaggedError("NotFound")<{
  readonly operation: string
  readonly detail: string
}> {
  override get message() {
    return `OpenCode has no such thing (${this.operation}): ${this.detail}`
  }
}

/** Two options exclude each other. Recovery: `advice` names the one to omit. */
export class Unsupported extends Data.TaggedError("Unsupported")<{
  readonly operation: string
  readonly advice: string
}> {
  override get message() {
    return `OpenCode does not support ${this.operation}. ${this.advice}`
  }
}

/** The session is running a turn. Recovery: wait for its end, because two concurrent prompts would share one answer. */
export class Busy extends Data.TaggedError("Busy")<{ readonly sessionId: string }> {
  override get message() {
    return `The session ${this.sessionId} is running a turn. Wait until it has ended, or abort it.`
  }
}

/** A command of OpenCode was not run. Recovery: change its name or its arguments, as `problem` says. */
export class CommandRefused extends Data.TaggedError("CommandRefused")<{
  readonly command: string
  readonly problem: string
}> {
  override get message() {
    return `The command /${this.command} was not run: ${this.problem}.`
  }
}

/** The server rejects the user name or the password. Recovery: correct `attach`. */
export class Unauthorized extends Data.TaggedError("Unauthorized")<{
  readonly operation: string
  readonly url: string
  readonly username: string
}> {
  override get message() {
    return `The OpenCode server at ${this.url} refuses the password, or the user name "${this.username}" (${this.operation}).`
  }
}

/** The server exited, or cannot be reached. The request may have had an effect. Recovery: retry, which starts a server. */
export class Unavailable extends Data.TaggedError("Unavailable")<{
  readonly operation: string
  readonly detail: string
}> {
  override get message() {
    return `OpenCode cannot be reached (${this.operation}): ${this.detail}`
  }
}

/** The server did not respond in time. Recovery: as for `Unavailable`. */
export class Timeout extends Data.TaggedError("Timeout")<{
  readonly operation: string
  readonly millis: number
}> {
  override get message() {
    return `OpenCode did not respond within ${this.millis} ms (${this.operation})`
  }
}

/** The server's response is not understood, or it rejected the request's form. Recovery: none; it is a mistake or a bug. */
export class Protocol extends Data.TaggedError("Protocol")<{
  readonly operation: string
  /** HTTP status, if there was a response. */
  readonly status?: number
  readonly detail: string
}> {
  override get message() {
    const status = this.status === undefined ? "" : ` with status ${this.status}`
    return `OpenCode answered unexpectedly${status} (${this.operation}): ${this.detail}`
  }
}

/** A configuration file of the project is invalid or cannot be read safely. Recovery: correct it, or trust the project. */
export class ProjectUnusable extends Data.TaggedError("ProjectUnusable")<{
  /** Relative to the root of the project, or absolute if it belongs to the user. */
  readonly file: string
  readonly problem: string
}> {
  override get message() {
    return `The project's configuration cannot be used: ${printable(this.file)}: ${printable(this.problem)}. Correct or remove it.`
  }
}

/** The project's configuration differs from the trusted one. Recovery: review it, and trust its new fingerprint. */
export class ProjectChanged extends Data.TaggedError("ProjectChanged")<{
  /** Each file, and whether it is new, changed or removed. */
  readonly changes: ReadonlyArray<string>
}> {
  override get message() {
    const some = this.changes.slice(0, 10).map(printable).join(", ")
    const more = this.changes.length > 10 ? `, and ${this.changes.length - 10} more` : ""
    return `The project's configuration has changed since it was trusted: ${some}${more}. Look at it, and trust it again.`
  }
}

/** File names are text of the project. */
const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?").slice(0, 300)

/** The host is closed or closing. Recovery: use another host. */
export class Closed extends Data.TaggedError("Closed") {
  override get message() {
    return "The host of OpenCode is closed: open another one"
  }
}

/** An option or an argument has the wrong type or range. It is a mistake in the program. */
export class InvalidOption extends Data.TaggedError("InvalidOption")<{
  /** Its path, for example `restart.limit`. */
  readonly option: string
  readonly expected: string
  readonly actual: string
}> {
  override get message() {
    return `The option ${this.option} must be ${this.expected}, and was ${this.actual}`
  }
}

export type HostErrorReason =
  | BinaryNotFound
  | BinaryUnusable
  | DirectoryNotFound
  | TemporaryDirectoryUnusable
  | DirectoryInUse
  | StartFailed
  | GaveUp
  | UnsupportedVersion
  | NotFound
  | Unsupported
  | Busy
  | CommandRefused
  | Unauthorized
  | Unavailable
  | Timeout
  | Protocol
  | ProjectUnusable
  | ProjectChanged
  | Closed
  | InvalidOption
