/**
 * Where prompts come from: the command line, a person at the terminal, or the lines of standard input.
 *
 * @since 0.1.0
 */
import { Effect, type PlatformError, Stdio, Stream, Terminal } from "effect"
import { print } from "./terminal/Output.ts"
import { screen } from "./terminal/ScreenText.ts"

const isPrompt = (line: string) => line.trim() !== ""

/** Without what was typed up to an Esc, which stops an answer, and without other keys that are no text. */
// oxlint-disable-next-line no-control-regex -- these are what is taken out
const typedText = (line: string) => line.replace(/^.*\u001b/s, "").replaceAll(/[\u0000-\u001f\u007f]/g, "")

/** Asks until the person leaves with `/exit` or the end of input. */
const typed = Stream.unwrap(
  Effect.map(Terminal.Terminal, (terminal) =>
    Stream.fromEffectRepeat(Effect.andThen(print(screen`\n> `), terminal.readLine)).pipe(
      Stream.map(typedText),
      Stream.takeWhile((line) => line.trim() !== "/exit"),
      Stream.catchTag("QuitError", () => Stream.empty),
      Stream.filter(isPrompt)
    )
  )
)

const piped = Stream.unwrap(
  Effect.map(Stdio.Stdio, (stdio) => stdio.stdin.pipe(Stream.decodeText(), Stream.splitLines, Stream.filter(isPrompt)))
)

/**
 * `given` prompts are all there is; else those of `opening`, and then, at a terminal, what is typed. Without a terminal
 * and without either, each line of standard input is a prompt.
 *
 * @category constructors
 * @since 0.1.0
 */
export const promptSource = Effect.fnUntraced(function* (options: {
  readonly given: ReadonlyArray<string>
  readonly opening: ReadonlyArray<string>
}) {
  const stdio = yield* Stdio.Stdio
  const interactive = options.given.length === 0 && (yield* stdio.stdinIsTerminal) && (yield* stdio.stdoutIsTerminal)
  const first = options.given.length > 0 ? options.given : options.opening
  const following: Stream.Stream<string, PlatformError.PlatformError, Stdio.Stdio | Terminal.Terminal> = interactive
    ? typed
    : first.length > 0
      ? Stream.empty
      : piped
  return { interactive, prompts: Stream.concat(Stream.fromIterable(first), following) }
})
