/** `opencode-worker completion SHELL`, and `complete`, which its scripts call. */
import { Effect } from "effect"
import { Argument, Command, type Completions } from "effect/cli"
import { type Candidate, candidates } from "../operator/completion/candidates.ts"
import { connectionOf, contexts, rowsOf } from "../operator/completion/rows.ts"
import { filesMarker, scripts, shells } from "../operator/completion/scripts.ts"
import { asOperator } from "../operator/connection.ts"
import { printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { descriptions } from "./descriptions.ts"

export const completion = Command.make(
  "completion",
  { shell: Argument.Literals("shell", shells).pipe(Argument.withDescription("bash, zsh or fish")) },
  ({ shell }) => printLine(screen`${scripts[shell]}`)
).pipe(Command.withDescription(descriptions.completion))

/** A person waits for it. */
const patience = "3 seconds"

const print = ({ description, value }: Candidate) =>
  printLine(ScreenText.join([ScreenText.line(value), screen`\t`, ScreenText.line(description)]))

/** `root`: the commands, as they are known when it runs. */
export const complete = (root: () => Completions.CommandDescriptor) =>
  Command.make(
    "complete",
    { words: Argument.String("word").pipe(Argument.variadic()) },
    Effect.fnUntraced(function* ({ words }) {
      const found = candidates(root(), words)
      if (found._tag === "Files") return yield* printLine(screen`${filesMarker}`)
      if (found._tag === "Values") return yield* Effect.forEach(found.values, print, { discard: true })
      const rows =
        found.kind === "context" ? contexts : asOperator(connectionOf(found.flags), rowsOf(found.kind, found))
      const prefix = words.at(-1) ?? ""
      yield* rows.pipe(
        Effect.scoped,
        Effect.timeout(patience),
        Effect.flatMap((all) =>
          Effect.forEach(
            all.filter(({ value }) => value.startsWith(prefix)),
            print,
            { discard: true }
          )
        ),
        // Without the deployment there is nothing to complete.
        Effect.ignore
      )
    })
  ).pipe(Command.withDescription("Print the words that may follow on a command line"), Command.unlisted)
