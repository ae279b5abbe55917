/**
 * A request of the agent as a person sees it: the agent, the directory, the whole command or diff, and the scope of "always".
 * Pure.
 *
 * Invariant: each row of foreign text starts with a bar, wrapped rows included, so that no text can look like a line of the
 * card.
 */
import * as RequestCard from "@opencode-worker/client/request-card"
import { cleanLine, cleanText } from "@opencode-worker/client/text"
import { columnsOf } from "./input/draftView.ts"
import { ScreenText, screen } from "./output/ScreenText.ts"
import type { Style } from "./output/Style.ts"

export interface Asked {
  /** The root agent first, then each sub-agent with its task. */
  readonly askedBy: ReadonlyArray<{ readonly agent: string; readonly task: string | null }>
  readonly directory: string
  /** The scope of an approval for later requests, or null if it is not offered. */
  readonly always: { readonly label: string } | null
  /** Milliseconds since 1970. `expiresAt`: null if there is no time limit. */
  readonly createdAt: number
  readonly expiresAt: number | null
}

interface View {
  readonly style: Style
  readonly columns: number
  readonly position: string
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface Permission {
  readonly permission: string
  readonly sections: ReadonlyArray<{ readonly name: string; readonly format: string; readonly text: string }>
}

export interface Question {
  readonly question: string
  readonly header: string
  readonly options: ReadonlyArray<{ readonly label: string; readonly description: string }>
  readonly multiple: boolean
  readonly custom: boolean
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** One line as rows of at most `width` columns. */
const wrap = (line: string, width: number): ReadonlyArray<string> => {
  if (columnsOf(line) <= width) return [line]
  const rows: Array<string> = []
  let row = ""
  let used = 0
  for (const { segment } of segmenter.segment(line)) {
    const columns = columnsOf(segment)
    if (used + columns > width) {
      rows.push(row)
      row = ""
      used = 0
    }
    row += segment
    used += columns
  }
  return [...rows, row]
}

/** Foreign text, complete, each row behind a bar. */
export const quoted = (text: string, columns: number): ScreenText => {
  const width = Math.max(columns - 6, 10)
  const rows = cleanText(text)
    .split("\n")
    .flatMap((line) => wrap(line.replaceAll("\t", "    "), width))
  return ScreenText.join(rows.map((row) => screen`  │ ${row}\n`))
}

/** One line of foreign text after a label, behind bars if the terminal would wrap it. */
const labelled = (label: string, text: string, columns: number): ScreenText => {
  const line = cleanLine(text)
  return columnsOf(`  ${label} ${line}`) <= columns
    ? screen`  ${label} ${line}\n`
    : screen`  ${label}\n${quoted(line, columns)}`
}

const whoAsks = ({ askedBy, directory }: Asked, columns: number): ScreenText => {
  const agents = RequestCard.agentPath(askedBy)
  const by = agents === "" ? screen`` : labelled("asked by", agents, columns)
  const at = directory === "" ? screen`` : labelled("in", directory, columns)
  return screen`${by}${at}`
}

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000]
] as const

/** The largest unit, such as `3 h`. */
const duration = (millis: number): string => {
  const [unit, size] = units.find(([, each]) => millis >= each) ?? (["s", 1_000] as const)
  return `${Math.floor(millis / size)} ${unit}`
}

/** The age and the time that is left. */
const whenAsked = (asked: Asked, now: number): ScreenText => {
  const { age, left } = RequestCard.timing(asked, now)
  return screen`  asked ${duration(age)} ago, ${left === null ? "no time limit" : `${duration(left)} left`}\n`
}

/** More rows than this scroll the card's head off most screens. */
const tall = 15

export const permissionCard = (
  asked: Asked,
  { permission, sections }: Permission,
  { columns, now, position, style }: View
): ScreenText => {
  const isOneCommand = RequestCard.isCommand(sections)
  const parts = sections.map(
    ({ name, text }) =>
      screen`${isOneCommand ? screen`` : screen`  ${ScreenText.line(name)}:\n`}${quoted(text, columns)}`
  )
  const title = isOneCommand
    ? screen`? OpenCode asks to run this command${position}:`
    : screen`? OpenCode asks for ${ScreenText.line(permission)}${position}:`
  const content = ScreenText.join(parts)
  const rows = content.text.split("\n").length - 1
  const again =
    rows > tall ? screen`${style.strong(title)} the ${rows} rows above\n${whoAsks(asked, columns)}` : screen``
  const covered = asked.always === null ? screen`` : labelled("later requests would cover", asked.always.label, columns)
  const later = asked.always === null ? "" : "and later in this [t]urn, in this [s]ession, [a]lways, "
  const view = rows > tall ? "[v]iew in a pager, " : ""
  return screen`\n${style.strong(title)}\n${whoAsks(asked, columns)}${whenAsked(asked, now)}${content}${again}${covered}  ${view}[y]es once, ${later}[n]o and stop, or type what to do instead, then Enter\n`
}

const howToAnswer = ({ custom, multiple, options }: Question): ScreenText => {
  const own = custom ? (options.length === 0 ? "Type your answer" : ", or type an answer of your own") : ""
  const choice = multiple ? "Type the numbers of one or more options, such as 1 2" : "Type the number of an option"
  return screen`  ${options.length === 0 ? "" : choice}${own}, then Enter\n`
}

export const questionCard = (asked: Asked, question: Question, { columns, now, position, style }: View): ScreenText => {
  const choices = question.options.map(({ description, label }, index) => {
    const whole = `${index + 1} ${cleanLine(label)}${description === "" ? "" : `: ${cleanLine(description)}`}`
    if (columnsOf(whole) > columns - 6) return quoted(whole, columns)
    const more = description === "" ? screen`` : screen`: ${style.faint(ScreenText.line(description))}`
    return screen`  │ ${index + 1} ${ScreenText.line(label)}${more}\n`
  })
  const title = style.strong(screen`? OpenCode asks a question${position}:`)
  return screen`\n${title}\n${whoAsks(asked, columns)}${whenAsked(asked, now)}${quoted(question.question, columns)}${ScreenText.join(choices)}${howToAnswer(question)}`
}
