/**
 * `opencode-worker sessions`: the conversations of a data folder, the latest activity first.
 *
 * @since 0.1.0
 */
import { Console, DateTime, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { explain } from "../AppError.ts"
import { dataFolder } from "../DataFolder.ts"
import { Deployment } from "../Deployment.ts"
import { Operator } from "../Operator.ts"
import { operator } from "../Stack.ts"
import * as flags from "./flags.ts"

const list = Effect.gen(function* () {
  const { isDone, page } = yield* Operator.use(({ sessions }) => sessions)
  if (page.length === 0) return yield* Console.log("No conversations yet: opencode-worker dev begins one.")
  for (const { lastActivityAt, sessionId, status, title } of page) {
    const at = DateTime.formatIso(DateTime.makeUnsafe(lastActivityAt))
    yield* Console.log(`${sessionId}  ${at}  ${status.padEnd(7)}  ${title}`)
  }
  if (!isDone) yield* Console.log(`(the latest ${page.length})`)
})

export const sessions = Command.make(
  "sessions",
  { data: flags.data, directory: flags.directory, demo: flags.demo },
  Effect.fn(function* ({ data, demo, directory }) {
    const folder = yield* dataFolder({ data, demo, directory: yield* flags.resolveDirectory(directory) })
    yield* Effect.provide(list, Layer.provide(operator, Deployment.find(folder)))
  }, Effect.mapError(explain))
).pipe(Command.withDescription("List the conversations"))
