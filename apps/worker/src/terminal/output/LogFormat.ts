/** How a service reports: lines for people, or one JSON object per line. */
import { Context } from "effect"

export type LogFormat = "pretty" | "json"

/** Read for each log entry, so that a command can choose it after its command line was read. */
export const LogFormat = Context.Reference<LogFormat>("opencode-worker/LogFormat", { defaultValue: () => "pretty" })
