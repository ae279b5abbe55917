/**
 * Text that may be written to a terminal. The `screen` tag creates it and cleans each value, so that it contains only the
 * escape sequences of this module.
 *
 * Invariant: a string becomes a `ScreenText` only through `cleanText`, except the literal parts of a `screen` template.
 * `Output.ts` accepts only `ScreenText`.
 */
import { cleanLine, cleanText } from "@opencode-worker/client/text"

export class ScreenText {
  /** Includes the escape sequences of styles. */
  readonly text: string
  private constructor(text: string) {
    this.text = text
  }

  /** Keeps the literal parts as they are and cleans the strings between them. */
  static readonly screen = (
    literals: TemplateStringsArray,
    ...values: ReadonlyArray<string | number | ScreenText>
  ): ScreenText => {
    const shown = values.map((value) => (value instanceof ScreenText ? value.text : cleanText(String(value))))
    return new ScreenText(literals.reduce((text, literal, index) => `${text}${shown[index - 1] ?? ""}${literal}`))
  }

  /** A piece of text after `before`, which is already shown. */
  static readonly piece = (text: string, before: string): ScreenText => new ScreenText(cleanText(text, before))

  /** Text on one line. */
  static readonly line = (text: string): ScreenText => new ScreenText(cleanLine(text))

  static readonly join = (texts: ReadonlyArray<ScreenText>, separator: string | ScreenText = ""): ScreenText =>
    new ScreenText(texts.map(({ text }) => text).join(screen`${separator}`.text))

  /** Puts `by` in front of each line but the first. */
  static readonly indent = ({ text }: ScreenText, by: string): ScreenText =>
    new ScreenText(text.trimEnd().replaceAll("\n", `\n${cleanText(by)}`))

  /** Wraps text in an attribute of the terminal, by its numbers in ECMA-48 (SGR). */
  static readonly attribute =
    (on: number, off: number) =>
    ({ text }: ScreenText): ScreenText =>
      new ScreenText(text === "" ? "" : `\u001b[${on}m${text}\u001b[${off}m`)

  get isEmpty(): boolean {
    return this.text === ""
  }

  get endsLine(): boolean {
    return this.text.endsWith("\n")
  }
}

export const { screen } = ScreenText

export const none = screen``
