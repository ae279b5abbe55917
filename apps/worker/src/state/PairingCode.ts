/**
 * Shows the pairing code at a terminal, or writes it to a file that only its owner can read. The code allows its holder to
 * become the operator, so it is written to a service's log only on request.
 */
import { Effect, FileSystem, Option, Stdio } from "effect"
import { temporaryError } from "../AppError.ts"
import { announce } from "../terminal/output/announce.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"

export interface PairingCodeOptions {
  readonly url: string
  /** The file to use in place of the terminal. */
  readonly file: Option.Option<string>
  /** The file to use if there is neither a terminal nor `file`. */
  readonly defaultFile: string
  /** Print it to standard output, even without a terminal. */
  readonly print: boolean
}

/** An existing link is removed, not followed. */
const write = Effect.fnUntraced(function* (file: string, code: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.remove(file, { force: true })
  yield* fs.writeFileString(file, `${code}\n`, { flag: "wx", mode: 0o600 })
})

/** `show` a code, and `forget` the file that contains it. */
export const make = Effect.fnUntraced(function* ({ defaultFile, file, print, url }: PairingCodeOptions) {
  const fs = yield* FileSystem.FileSystem
  const isTerminal = yield* Stdio.Stdio.use(({ stdoutIsTerminal }) => stdoutIsTerminal)
  const path = Option.orElse(file, () => (isTerminal || print ? Option.none() : Option.some(defaultFile)))
  const approve = (code: string) =>
    screen`To own this worker, approve it within 10 minutes, where you are signed in (or with your JWT in OPENCODE_WORKER_TOKEN):\n  opencode-worker approve ${code} --url ${url}`
  const show = (code: string) =>
    Option.match(path, {
      onNone: () => announce("Pairing code", screen`${code}\n${approve(code)}`),
      onSome: (target) =>
        write(target, code).pipe(
          Effect.provideService(FileSystem.FileSystem, fs),
          Effect.mapError(({ message }) =>
            temporaryError(`The pairing code cannot be written to ${target}: ${message}`)
          ),
          Effect.andThen(announce("Pairing file", screen`${ScreenText.line(target)}\n${approve("<code>")}`))
        )
    })
  const forget = Option.match(path, {
    onNone: () => Effect.void,
    onSome: (target) => Effect.ignore(fs.remove(target, { force: true }))
  })
  return { show, forget }
})
