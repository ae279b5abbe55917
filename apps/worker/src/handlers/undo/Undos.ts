/** The undos and redos of a worker, one at a time, because each looks at the whole directory. */
import type { HostError } from "@opencode-worker/opencode-host"
import { Effect, Exit, Schedule, Semaphore } from "effect"
import type { AppError } from "../../AppError.ts"
import type { ActionOf } from "../actionFailure.ts"
import { prune, sessionsOf } from "./journal.ts"
import { redo, settleRedo } from "./redo.ts"
import { settle, undo } from "./undo.ts"

const settleOne = (root: string, id: string) => Effect.andThen(settle(root, id), settleRedo(root, id))

/** OpenCode does not run now. Any other error would be the same at the next attempt. */
const isAway = (error: HostError | AppError) =>
  "reason" in error && ["StartFailed", "Timeout", "Unavailable"].includes(error.reason._tag)

/** OpenCode may be restarting. */
const settleRetries = Schedule.spaced("5 seconds").pipe(Schedule.upTo({ times: 24 }))

/**
 * Settles what an earlier process left in the middle. OpenCode may end meanwhile, so it is repeated. A session that still
 * cannot be settled is settled by its next undo.
 */
const settleAll = Effect.fnUntraced(function* (root: string) {
  for (const id of yield* sessionsOf(root)) {
    yield* settleOne(root, id).pipe(
      Effect.retry({ while: isAway, schedule: settleRetries }),
      Effect.catch(({ message }) => Effect.logWarning(`An undo could not be completed: ${message}`))
    )
  }
  yield* prune(root)
})

/** `root`: a folder that only this user can read. */
export const makeUndos = (root: string) => {
  const alone = Semaphore.withPermit(Semaphore.makeUnsafe(1))
  /** An undo that failed, or that its time limit stopped, is settled by this process and not only by the next one. */
  const settledLater = (id: string) =>
    Effect.forkDetach(Effect.ignore(Effect.retry(alone(settleOne(root, id)), settleRetries)))
  return {
    undo: (id: string, command: ActionOf<"undo">) =>
      alone(Effect.andThen(settleOne(root, id), undo(root, id, command))).pipe(
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : settledLater(id)))
      ),
    redo: (id: string, command: ActionOf<"redo">) =>
      alone(Effect.andThen(settleOne(root, id), redo(root, id, command))),
    /** Before the first turn of a process. It starts no OpenCode unless there is something to settle. */
    settle: alone(settleAll(root))
  }
}
export type Undos = ReturnType<typeof makeUndos>
