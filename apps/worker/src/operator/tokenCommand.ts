/** Tokens of a login provider that has a command line of its own. */
import { execFile } from "node:child_process"
import { Effect } from "effect"
import { type AppError, notAuthorised } from "../AppError.ts"

const limit = 60_000

/** Runs the command line in a shell, with its messages at this terminal, and returns the token that it prints. */
export const printedToken = (commandLine: string) =>
  Effect.callback<string, AppError>((resume) => {
    const fail = (text: string) => resume(Effect.fail(notAuthorised(text)))
    const child = execFile("/bin/sh", ["-c", commandLine], { timeout: limit }, (error, stdout) => {
      const token = stdout.trim()
      if (error !== null) {
        const how = error.killed === true ? `did not end in ${limit / 1000} s` : `ended with ${error.code}`
        return fail(`The command for tokens ${how}: ${commandLine}`)
      }
      if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return fail(`The command for tokens printed no JWT: ${commandLine}`)
      resume(Effect.succeed(token))
    })
    child.stderr?.pipe(process.stderr, { end: false })
    return Effect.sync(() => child.kill())
  })
