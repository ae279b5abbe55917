/** An undo that is struck: afterwards its files are all as before it or all undone, and a person's change is kept. */
import { readFile, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { CommandId } from "@opencode-worker/client"
import { Effect, Option } from "effect"
import type { Violation } from "./Judge.ts"
import { untilTrue, within } from "./NotReached.ts"
import { observe } from "./Observe.ts"
import { filesOf } from "./Prompt.ts"
import { World } from "./World.ts"

const mine = "a person's line\n"
const contentOf = (path: string) => readFile(path, "utf8").catch(() => null)

/** What is left of the files, as a pure function. `person`: the file that a person changed. */
export const judgeFiles = (
  id: string,
  command: string | undefined,
  { others, person }: { readonly person: string | null; readonly others: ReadonlyArray<string | null> }
): ReadonlyArray<Violation> => {
  const undone = others.filter((content) => content === null).length
  const isHalf = undone > 0 && undone < others.length
  return [
    ...(command === undefined ? [{ kind: "unsettled" as const, why: `the undo of ${id} did not end` }] : []),
    ...(isHalf ? [{ kind: "lost" as const, why: `the undo of ${id} left ${undone} of ${others.length} files` }] : []),
    ...(command === "done" && undone === 0 ? [{ kind: "lost" as const, why: `the undo of ${id} undid nothing` }] : []),
    ...(person === mine ? [] : [{ kind: "lost" as const, why: `a person's change was lost by the undo of ${id}` }])
  ]
}

/** A session whose turn has written files, of which a person has changed one. */
export const prepareUndo = Effect.gen(function* () {
  const world = yield* World
  const prompt = yield* world.send(yield* world.createSession, "writes")
  yield* world.letGo(prompt)
  const outcome = yield* observe(prompt, true)
  const [person = "", ...others] = filesOf(prompt.id).map((name) => join(world.home.directory, name))
  yield* Effect.promise(() => writeFile(person, mine))

  const start = world.operator.call(({ sessionActions }) =>
    sessionActions.undo(prompt.sessionId, prompt.turnId, {
      skip: filesOf(prompt.id).slice(0, 1),
      idempotencyKey: `undo ${prompt.id}`
    })
  )
  /** The journal of an undo that a process left is settled by the next one. */
  const isSettled = Effect.promise(async () => {
    const entries = await readdir(join(world.home.root, "worker"), { recursive: true })
    return !entries.some((name) => name.endsWith("undoing.json"))
  })
  const check = Effect.fnUntraced(function* (command: CommandId) {
    const ended = yield* Effect.option(
      within(
        "the undo to end",
        world.operator.call(({ commands }) => commands.wait(command))
      )
    )
    const settled = yield* Effect.isSuccess(untilTrue("the undo to be settled", isSettled))
    const [kept = null, ...rest] = yield* Effect.promise(() => Promise.all([person, ...others].map(contentOf)))
    const status = settled ? Option.getOrUndefined(ended)?.status : undefined
    return {
      status: `undo ${status ?? "unsettled"}`,
      violations: judgeFiles(prompt.id, status, { person: kept, others: rest })
    }
  })
  return { outcome, start, check }
})
