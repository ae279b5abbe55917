/**
 * The effects of the arguments of one of OpenCode's commands. OpenCode puts them into the command's template; then it runs
 * each !`command` in a shell, without asking, and attaches each file that is named as `@path`. Both are for the author of the
 * template to write: arguments come from an operator, who may not do either.
 */
const placeholder = /\$(\d+)/g
const tokens = /(?:\[Image\s+\d+\]|"[^"]*"|'[^']*'|[^\s"']+)/gi
const quotes = /^["']|["']$/g
const shell = /!`([^`]+)`/g
const file = /(?<![\w`])@(\.?[^\s`,.]*(?:\.[^\s`,.]+)*)/g

/** The text of a command, as OpenCode makes it before it reads shell commands and files. */
export const expanded = (template: string, args: string): string => {
  const words = (args.match(tokens) ?? []).map((word) => word.replace(quotes, ""))
  const numbers = Array.from(template.matchAll(placeholder), ([, number]) => Number(number))
  const last = Math.max(0, ...numbers)
  const numbered = template.replaceAll(placeholder, (_, number: string) => {
    const at = Number(number) - 1
    return Number(number) === last ? words.slice(at).join(" ") : (words[at] ?? "")
  })
  const whole = numbered.replaceAll("$ARGUMENTS", args)
  const takesNone = numbers.length === 0 && !template.includes("$ARGUMENTS")
  return takesNone && args.trim() !== "" ? `${whole}\n\n${args}` : whole
}

const found = (pattern: RegExp, text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(pattern), ([, match = ""]) => match)

/** Whether the arguments change the shell commands of the template, or might in another release of OpenCode. */
export const changesShell = (template: string, args: string): boolean =>
  /![^]*`/.test(args) ||
  found(shell, expanded(template, args)).join("\0") !== found(shell, expanded(template, "")).join("\0")

/** The files that the arguments name, as `@path` without the `@`. */
export const namedFiles = (template: string, args: string): ReadonlyArray<string> => {
  const own = new Set(found(file, expanded(template, "")))
  const texts = [expanded(template, args), args]
  return [...new Set(texts.flatMap((text) => found(file, text)))].filter((name) => name !== "" && !own.has(name))
}
