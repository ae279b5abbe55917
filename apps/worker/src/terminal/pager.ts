/** Shows a long text in the pager of the person (PAGER, or less). */
import { spawn } from "node:child_process"
import { Effect } from "effect"
import type { ChatInput } from "./input/ChatInput.ts"
import type { ScreenText } from "./output/ScreenText.ts"
import { printHeld } from "./output/Output.ts"

/** `less` with the styles of this program, without commands that start other programs. */
const fallback = "less -R"

/** Whether the pager could be started. It ends with the person's key. */
const run = (text: ScreenText, environment: NodeJS.ProcessEnv): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const [program = "less", ...args] = (environment["PAGER"]?.trim() || fallback).split(/\s+/)
    const child = spawn(program, args, {
      stdio: ["pipe", "inherit", "inherit"],
      env: { ...environment, LESSSECURE: "1", LESSCHARSET: "utf-8" }
    })
    child.on("error", () => resume(Effect.succeed(false)))
    child.on("close", () => resume(Effect.succeed(true)))
    // The person left before the end.
    child.stdin.on("error", () => undefined)
    child.stdin.end(text.text)
    return Effect.sync(() => void child.kill())
  })

/** Without a pager the text is written to the screen. Also while a request is shown. */
export const page = (input: ChatInput, text: ScreenText): Effect.Effect<void> =>
  input
    .handOver(Effect.suspend(() => run(text, process.env)))
    .pipe(Effect.flatMap((isShown) => (isShown ? Effect.void : printHeld(text))))
