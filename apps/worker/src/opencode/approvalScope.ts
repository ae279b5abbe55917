/**
 * Later requests that an approval covers. Pure.
 *
 * Two requests are alike when they have the same scope, and nothing is matched by pattern. OpenCode's own patterns are not
 * used: it offers `curl *` for a `curl`, and `*` for an edit.
 *
 * ```
 *   bash                this command, in this directory
 *   edit                files inside the worker's directory, except those that change what runs or is asked later
 *   webfetch            pages of this origin
 *   external_directory  these paths
 *   any other tool      this tool with these arguments
 *   otherwise           no scope: allowed once only
 * ```
 */
import { createHash } from "node:crypto"
import { isAbsolute, relative, sep } from "node:path"
import type { AskedPermission } from "./askedPermission.ts"

export interface ApprovalScope {
  /** Equal for requests that an approval covers together. A digest, because a command may be long. */
  readonly scope: string
  /** Completes "allow …". */
  readonly label: string
}

/**
 * Files that an agent, a tool or a person's next command reads as instructions, in lower case. Hidden files and folders
 * (`.git`, `.opencode`, `.github`, `.envrc`, …) are excluded by their dot.
 */
const sensitiveNames: ReadonlySet<string> = new Set([
  "agents.md",
  "claude.md",
  "context.md",
  "gnumakefile",
  "justfile",
  "makefile",
  "opencode.json",
  "opencode.jsonc",
  "package.json",
  "taskfile.yaml",
  "taskfile.yml"
])

/** Whether an approval for edits covers this file. */
const isOrdinary = (directory: string, file: string): boolean => {
  const inside = relative(directory, file)
  if (inside === "" || isAbsolute(inside)) return false
  const segments = inside.split(sep)
  return (
    segments.every((segment) => !segment.startsWith(".")) && !sensitiveNames.has((segments.at(-1) ?? "").toLowerCase())
  )
}

/** JSON with the keys of each object in one order. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : inner
  )

const digest = (value: ReadonlyArray<unknown>): string => createHash("sha256").update(canonical(value)).digest("hex")

const bash = ({ call, metadata, workingDirectory }: AskedPermission): ApprovalScope | null => {
  const { command } = metadata
  if (typeof command !== "string" || command.trim() === "" || call?.tool !== "bash") return null
  if (workingDirectory === undefined) return null
  return {
    scope: digest(["bash", command, workingDirectory]),
    label: `exactly this command in ${workingDirectory}`
  }
}

const edit = ({ directory, files }: AskedPermission): ApprovalScope | null =>
  files.length > 0 && files.every((file) => isOrdinary(directory, file))
    ? {
        scope: digest(["edit", directory]),
        label: `edits of files in ${directory}, except hidden files, package.json, makefiles, and the agent's configuration and instructions`
      }
    : null

const webfetch = ({ metadata, patterns }: AskedPermission): ApprovalScope | null => {
  const { url } = metadata
  if (typeof url !== "string" || patterns.some((pattern) => pattern !== url) || !URL.canParse(url)) return null
  const { origin, protocol } = new URL(url)
  if (protocol !== "https:" && protocol !== "http:") return null
  return { scope: digest(["webfetch", origin]), label: `pages of ${origin}` }
}

const externalDirectory = ({ patterns }: AskedPermission): ApprovalScope | null => {
  const paths = patterns.toSorted()
  return paths.length === 0
    ? null
    : { scope: digest(["external_directory", paths]), label: `access to ${paths.join(", ")}` }
}

/** Exact only if the arguments are those of the tool itself. A script that calls other tools does not show their arguments. */
const sameCall = ({ call, permission }: AskedPermission): ApprovalScope | null =>
  call?.tool === permission
    ? { scope: digest(["tool", permission, call.input]), label: `${permission} with exactly these arguments` }
    : null

/** Null: later requests like this one cannot be described exactly. */
export const approvalScope = (asked: AskedPermission): ApprovalScope | null => {
  switch (asked.permission) {
    case "bash":
      return bash(asked)
    case "edit":
      return edit(asked)
    case "webfetch":
      return webfetch(asked)
    case "external_directory":
      return externalDirectory(asked)
    default:
      return sameCall(asked)
  }
}
