/**
 * Cleans the errors of the command line, which repeat typed text or responses of a deployment. Help is the project's own
 * text, and keeps its colours.
 */
import { Effect, Layer } from "effect"
import { type CliError, CliOutput } from "effect/cli"
import { logLine } from "./Output.ts"
import { none, ScreenText, screen } from "./ScreenText.ts"
import { colored, type Style } from "./Style.ts"

/** A check of the project's own describes the correction in a sentence, which "Expected:" does not introduce. */
const messageOf = (error: CliError.CliError): string =>
  error._tag === "InvalidValue" && error.expected.endsWith(".")
    ? error.message.replace("Expected: ", "")
    : error.message

const errorList = (style: Style, all: ReadonlyArray<CliError.CliError>): ScreenText => {
  if (all.length === 0) return none
  const title = all.length === 1 ? screen`ERROR` : screen`ERRORS`
  const sentences = all.map((error) => screen`  ${ScreenText.indent(screen`${messageOf(error)}`, "  ")}`)
  return screen`\n${style.strong(style.alarm(title))}\n${ScreenText.join(sentences, "\n")}`
}

export const formatter = (style: Style): CliOutput.Formatter => {
  const { formatHelpDoc, formatVersion } = CliOutput.defaultFormatter({ colors: style === colored })
  return {
    formatHelpDoc,
    formatVersion,
    formatCliError: ({ message }) => screen`${message}`.text,
    formatError: (error) => errorList(style, [error]).text,
    formatErrors: (errors) => errorList(style, errors).text
  }
}

/** After an invalid command line: the errors, the usage, and the command for the help. The whole help hides the error. */
const presenter = (style: Style): CliOutput.Presenter => ({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const { commandPath, errors, helpDoc } = event
    const help = screen`Usage: ${helpDoc.usage}\nSee: ${commandPath.join(" ")} --help`
    return Effect.sync(() => logLine(screen`${errorList(style, errors)}\n\n${help}`))
  }
})

export const layer = (style: Style): Layer.Layer<never> =>
  Layer.merge(CliOutput.layer(formatter(style)), CliOutput.layerPresenter(presenter(style)))
