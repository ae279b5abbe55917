/** The source of prompts: the command line, a file, a person at the terminal, or the lines of standard input. */
import { Effect, FileSystem, type PlatformError, Stdio, Stream } from "effect"
import { type AppError, usageError } from "../AppError.ts"

const isPrompt = (line: string) => line.trim() !== ""

/** Each line is a prompt. `--prompt-file -` reads all lines as one prompt. */
const piped = Stream.unwrap(
  Effect.map(Stdio.Stdio, (stdio) => stdio.stdin.pipe(Stream.decodeText(), Stream.splitLines, Stream.filter(isPrompt)))
)

const decode = (name: string, bytes: Uint8Array): Effect.Effect<string, AppError> =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => usageError(`${name} is not text in UTF-8.`)
  })

/**
 * The content of a file, or of standard input for `-`, as one prompt. Keeps line breaks and tabs, except line breaks at the
 * end.
 */
export const promptFile = Effect.fnUntraced(function* (path: string) {
  const name = path === "-" ? "Standard input" : path
  const stdio = yield* Stdio.Stdio
  const fs = yield* FileSystem.FileSystem
  const bytes: Effect.Effect<Uint8Array, PlatformError.PlatformError> =
    path === "-" ? Effect.map(Stream.runCollect(stdio.stdin), (chunks) => Buffer.concat(chunks)) : fs.readFile(path)
  const text = yield* bytes.pipe(
    Effect.mapError(({ message }) => usageError(`The prompt cannot be read from ${name}: ${message}`)),
    Effect.flatMap((content) => decode(name, content))
  )
  const prompt = text.replaceAll("\r\n", "\n").replace(/\n+$/, "")
  return isPrompt(prompt) ? prompt : yield* usageError(`${name} holds no prompt.`)
})

/** Whether standard input and output are terminals, so that a person can answer. */
export const isInteractive = Effect.flatMap(Stdio.Stdio, ({ stdinIsTerminal, stdoutIsTerminal }) =>
  Effect.zipWith(stdinIsTerminal, stdoutIsTerminal, (stdin, stdout) => stdin && stdout)
)

/** The `given` prompts, or else each line of standard input. */
export const promptSource = (given: ReadonlyArray<string>) => (given.length > 0 ? Stream.fromIterable(given) : piped)
