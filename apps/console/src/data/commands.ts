/** Commands that a worker executes when it is online. */
import type { Client, CommandId } from "@opencode-worker/client"

/** Milliseconds. A worker that is online executes a command within seconds. */
const patience = 20_000

export interface CommandOutcome {
  /** False: the worker has not executed it yet. It will. */
  readonly isDone: boolean
  /** The result, from JSON. */
  readonly value: unknown
}

const parse = (json: string | null): unknown => (json === null ? null : JSON.parse(json))

/** Waits for a command, but not for a worker that is off. Rejects with its error. */
export const waitFor = async (
  client: Pick<Client, "commands">,
  commandId: CommandId,
  milliseconds = patience
): Promise<CommandOutcome> => {
  const limit = AbortSignal.timeout(milliseconds)
  try {
    const command = await client.commands.wait(commandId, { signal: limit })
    if (command === null) return { isDone: true, value: null }
    if (command.status === "failed") throw new Error(command.error ?? "")
    return { isDone: true, value: parse(command.result) }
  } catch (error) {
    if (limit.aborted) return { isDone: false, value: null }
    throw error
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

/** The session in the result of a fork. */
export const sessionOf = (result: unknown): string | null => {
  const sessionId = field(result, "sessionId")
  return typeof sessionId === "string" ? sessionId : null
}

export interface ShellOutput {
  readonly text: string
  /** It is only the end of the output. */
  readonly truncated: boolean
}

/** The result of a shell command. */
export const shellOutput = (result: unknown): ShellOutput => {
  const text = field(result, "output")
  return { text: typeof text === "string" ? text : "", truncated: field(result, "truncated") === true }
}

export interface UndoFile {
  readonly file: string
  readonly status: string
  /** A person has changed it since. */
  readonly changed: boolean
}

/** The files in the result of an undo that only lists them. */
export const undoFiles = (result: unknown): ReadonlyArray<UndoFile> => {
  const files = field(result, "files")
  return (Array.isArray(files) ? files : []).flatMap((entry: unknown) => {
    const [file, status] = [field(entry, "file"), field(entry, "status")]
    if (typeof file !== "string") return []
    return [{ file, status: typeof status === "string" ? status : "", changed: field(entry, "changed") === true }]
  })
}
