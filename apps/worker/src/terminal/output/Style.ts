/** Styles for the kinds of text, in colour if the terminal supports it and the user allows it. */
import { ScreenText } from "./ScreenText.ts"

type Render = (text: ScreenText) => ScreenText

export interface Style {
  readonly faint: Render
  readonly alarm: Render
  readonly strong: Render
}

const unchanged: Render = (text) => text

export const plain: Style = { faint: unchanged, alarm: unchanged, strong: unchanged }

export const colored: Style = {
  faint: ScreenText.attribute(2, 22),
  alarm: ScreenText.attribute(31, 39),
  strong: ScreenText.attribute(1, 22)
}

/** Colours at a terminal, unless `NO_COLOR` is set to anything or `TERM` is `dumb`. */
export const styleFor = (
  isTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>> = process.env
): Style => {
  const isUnwanted = (environment["NO_COLOR"] ?? "") !== "" || environment["TERM"] === "dumb"
  return isTerminal && !isUnwanted ? colored : plain
}
