/** A permission that OpenCode requests, with the known data of its tool call. Data only. */

interface ToolCall {
  readonly tool: string
  /** The arguments as the model wrote them. */
  readonly input: Readonly<Record<string, unknown>>
}

export interface AskedPermission {
  /** OpenCode's name of the permission: a tool, or `edit` for each tool that writes files. */
  readonly permission: string
  readonly patterns: ReadonlyArray<string>
  readonly metadata: Readonly<Record<string, unknown>>
  /** Absent: OpenCode does not name the call, or no longer has it. */
  readonly call: ToolCall | undefined
  /** The worker's directory, with links resolved. */
  readonly directory: string
  /** Where a command runs, with links resolved. Undefined if they cannot be resolved. */
  readonly workingDirectory: string | undefined
  /** Absolute paths of the files that an edit writes, moves or deletes, with links resolved. */
  readonly files: ReadonlyArray<string>
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const textsOf = (value: unknown, fields: ReadonlyArray<string>): ReadonlyArray<string> =>
  isRecord(value) ? fields.flatMap((field) => (typeof value[field] === "string" ? [value[field]] : [])) : []

/**
 * The paths that an edit names, before links are resolved. `apply_patch` lists its files, with the destinations of moves;
 * the other tools name one. Empty: unknown.
 */
export const editedPaths = ({
  metadata,
  patterns
}: Pick<AskedPermission, "metadata" | "patterns">): ReadonlyArray<string> => {
  if (Array.isArray(metadata["files"])) {
    const files = metadata["files"].map((file) => textsOf(file, ["filePath", "movePath"]))
    return files.some((paths) => paths.length === 0) ? [] : files.flat()
  }
  return patterns.length === 1 ? textsOf(metadata, ["filepath"]) : []
}
