/**
 * Cleans the errors of the command line, which repeat typed text or responses of a deployment. Help is the project's own
 * text, and keeps its colours.
 */
import type { Layer } from "effect"
import { CliOutput } from "effect/cli"
import { ScreenText, screen } from "./ScreenText.ts"
import { colored, type Style } from "./Style.ts"

export const formatter = (style: Style): CliOutput.Formatter => {
  const errors = (title: ScreenText, messages: ReadonlyArray<string>) => {
    const sentences = messages.map((message) => screen`  ${ScreenText.indent(screen`${message}`, "  ")}`)
    return screen`\n${style.strong(style.alarm(title))}\n${ScreenText.join(sentences, "\n")}`.text
  }
  const { formatHelpDoc, formatVersion } = CliOutput.defaultFormatter({ colors: style === colored })
  return {
    formatHelpDoc,
    formatVersion,
    formatCliError: ({ message }) => screen`${message}`.text,
    formatError: ({ message }) => errors(screen`ERROR`, [message]),
    formatErrors: (all) =>
      all.length === 0
        ? ""
        : errors(
            all.length === 1 ? screen`ERROR` : screen`ERRORS`,
            all.map(({ message }) => message)
          )
  }
}

export const layer = (style: Style): Layer.Layer<never> => CliOutput.layer(formatter(style))
