/** Styles for the kinds of text, in colour if the terminal supports it and the user allows it. */
import { ScreenText } from "./ScreenText.ts"

export type Render = (text: ScreenText) => ScreenText

export interface Style {
  readonly isColored: boolean
  readonly faint: Render
  readonly alarm: Render
  readonly strong: Render
  readonly emphasis: Render
  readonly underlined: Render
  readonly struck: Render
  /** In code: words of the language, strings and added lines, and names. */
  readonly keyword: Render
  readonly literal: Render
  readonly name: Render
}

const unchanged: Render = (text) => text

export const plain: Style = {
  isColored: false,
  faint: unchanged,
  alarm: unchanged,
  strong: unchanged,
  emphasis: unchanged,
  underlined: unchanged,
  struck: unchanged,
  keyword: unchanged,
  literal: unchanged,
  name: unchanged
}

const { attribute } = ScreenText

/** Only attributes and the 16 colours of the terminal, which fit its own background. */
export const colored: Style = {
  isColored: true,
  faint: attribute(2, 22),
  alarm: attribute(31, 39),
  strong: attribute(1, 22),
  emphasis: attribute(3, 23),
  underlined: attribute(4, 24),
  struck: attribute(9, 29),
  keyword: attribute(35, 39),
  literal: attribute(32, 39),
  name: attribute(36, 39)
}

/** Colours at a terminal, unless `NO_COLOR` is set to anything or `TERM` is `dumb`. */
export const styleFor = (
  isTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>> = process.env
): Style => {
  const isUnwanted = (environment["NO_COLOR"] ?? "") !== "" || environment["TERM"] === "dumb"
  return isTerminal && !isUnwanted ? colored : plain
}
