/**
 * Whether a command's text does more than become a prompt. OpenCode replaces `$1` and `$ARGUMENTS` first; then it runs each
 * !`command` in a shell, without asking, and attaches each file that is named as `@path`.
 */
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { isInside, realPath } from "./readInside.ts"

/** A backtick that `!` or an argument precedes, or an argument that `!` precedes: the argument may complete it. */
const shell = /(?:!|\$\d+|\$ARGUMENTS)`|!\$(?:\d|ARGUMENTS)/
const argument = /\$(?:\d+|ARGUMENTS)/g
/** As OpenCode finds them. */
const file = /(?<![\w`])@(\.?[^\s`,.]*(?:\.[^\s`,.]+)*)/g

/** Why a template is left out, or undefined. */
export const templateProblem = (root: string, template: string): string | undefined => {
  if (shell.test(template)) return "it runs shell commands"
  // An argument may be empty, and it may end a word.
  const texts = [template, template.replace(argument, ""), template.replace(argument, " ")]
  const names = new Set(texts.flatMap((text) => Array.from(text.matchAll(file), ([, name = ""]) => name)))
  for (const name of names) {
    const path = name.startsWith("~/") ? join(homedir(), name.slice(2)) : resolve(root, name)
    if (!isInside(root, realPath(path) ?? path)) return "it attaches a file outside the project"
  }
  return undefined
}
