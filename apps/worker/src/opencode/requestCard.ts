/** The card of a request that an operator sees: the whole request; only the line for lists is truncated. Pure. */
import { resolve } from "node:path"
import { MAX_NAME } from "@opencode-worker/convex-backend/limits"
import type { RequestCard } from "@opencode-worker/convex-sync"
import type { OpenCodeRequest } from "@opencode-worker/opencode-host"
import { approvalScope } from "./approvalScope.ts"
import type { AskedPermission } from "./askedPermission.ts"

type Content = RequestCard["content"]
type Section = Extract<Content, { readonly kind: "permission" }>["sections"][number]
type AskedQuestion = Pick<Extract<OpenCodeRequest, { readonly kind: "question" }>, "questions">

/** At most `max` code units. Ends with … if it was truncated. */
export const truncate = (text: string, max = MAX_NAME): string =>
  text.length > max ? `${text.slice(0, max - 1).toWellFormed()}…` : text

/** One line, at most as long as a name. */
const oneLine = (text: string): string => truncate(text.trim().replaceAll(/[\t ]*[\r\n]+[\t ]*/g, " ⏎ "))

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

const commandOf = ({ metadata }: AskedPermission): string | undefined => text(metadata["command"])

/** Permissions whose metadata contain the whole call -> the field that contains it. */
const completeBy: Readonly<Record<string, string>> = { bash: "command", edit: "diff", webfetch: "url" }

const sectionsOf = (asked: AskedPermission): Array<Section> => {
  const { call, files, metadata, patterns, permission } = asked
  const sections: Array<Section> = []
  const add = (name: string, format: Section["format"], value: string | undefined) => {
    if (value !== undefined) sections.push({ name, format, text: value })
  }
  if (permission === "external_directory") add("paths", "text", patterns.join("\n"))
  if (permission === "edit") add("files", "text", text(files.join("\n")))
  add("command", "command", commandOf(asked))
  add("diff", "diff", text(metadata["diff"]))
  add("URL", "text", text(metadata["url"]))
  const complete = completeBy[permission]
  if (complete !== undefined && text(metadata[complete]) !== undefined) return sections
  if (call === undefined) add("request", "json", JSON.stringify({ patterns, metadata }, undefined, 2))
  else add(`arguments of ${call.tool}`, "json", JSON.stringify(call.input, undefined, 2))
  return sections
}

const subjectOf = (asked: AskedPermission): string => {
  const { call, metadata, patterns, permission } = asked
  if (permission === "external_directory") return patterns.join(", ")
  const shown = commandOf(asked) ?? text(metadata["url"]) ?? text(metadata["description"])
  if (shown !== undefined) return shown
  const known = patterns.filter((pattern) => pattern !== "*")
  if (known.length > 0) return known.join(", ")
  return call === undefined ? "" : JSON.stringify(call.input)
}

/** The agent and directory of the request, from its session. */
export type Origin = Pick<RequestCard, "askedBy">

export const permissionCard = (asked: AskedPermission, { askedBy }: Origin): RequestCard => {
  const { call, directory, permission, workingDirectory } = asked
  const subject = oneLine(subjectOf(asked))
  const workdir = permission === "bash" ? text(call?.input["workdir"]) : undefined
  return {
    askedBy,
    subject: truncate(subject === "" ? permission : `${permission}: ${subject}`),
    directory: workdir === undefined ? directory : (workingDirectory ?? resolve(directory, workdir)),
    always: approvalScope(asked),
    content: { kind: "permission", permission, sections: sectionsOf(asked) }
  }
}

const questionOf = ({ custom, header, multiple, options, question }: AskedQuestion["questions"][number]) => ({
  question,
  header: header ?? "",
  options: (options ?? []).map(({ description, label }) => ({ label, description: description ?? "" })),
  multiple: multiple ?? false,
  custom: custom ?? true
})

export const questionCard = (
  { questions }: AskedQuestion,
  { askedBy, directory }: Origin & Pick<RequestCard, "directory">
): RequestCard => ({
  askedBy,
  directory,
  subject: truncate(`question: ${oneLine(questions.map(({ question }) => question).join(" "))}`),
  always: null,
  content: { kind: "question", questions: questions.map(questionOf) }
})
