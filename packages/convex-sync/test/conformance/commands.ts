/** `CommandsPort`. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { QueuedCommand } from "../../src/index.ts"
import { assertFenced, type Cases, type MakeWorker, opened } from "./Worker.ts"

const idsOf = (window: ReadonlyArray<QueuedCommand>) => window.map(({ commandId }) => commandId).join()

export const commands = <R>(
  cases: Cases<R>,
  worker: MakeWorker<R, "commands" | "turns", "abort" | "createSession" | "outcome" | "pause" | "rename" | "send">
) =>
  describe("a store of commands", () => {
    cases.effect("streams unsettled commands, oldest first, and each change", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { commands: port } = yield* start("p")
        const shown = yield* opened(port.windows)
        const sessionId = yield* operator.createSession
        const first = yield* operator.rename(sessionId, "A")
        const second = yield* operator.pause
        const window = yield* shown.until((rows) => idsOf(rows) === [first, second].join())
        assert.deepStrictEqual(
          window.map(({ command, epoch }) => [command, epoch]),
          [
            [{ kind: "rename", sessionId, title: "A" }, port.epoch],
            [{ kind: "pause" }, port.epoch]
          ]
        )
        yield* port.settle(first, {})
        yield* shown.until((rows) => idsOf(rows) === second)
      })
    )

    cases.effect("shows the operator each outcome, and keeps the first one", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { commands: port } = yield* start("p")
        const sessionId = yield* operator.createSession
        const [done, failed] = [yield* operator.rename(sessionId, "A"), yield* operator.rename(sessionId, "B")]
        assert.deepInclude(yield* operator.outcome(done), { status: "queued", error: null })
        yield* port.settle(done, {})
        yield* port.settle(failed, { error: "No such session" })
        yield* port.settle(done, { error: "Too late" })
        yield* port.settle(failed, {})
        assert.deepInclude(yield* operator.outcome(done), { status: "done", error: null })
        assert.deepInclude(yield* operator.outcome(failed), { status: "failed", error: "No such session" })
      })
    )

    cases.effect("lets one process begin a command, also if it repeats the call", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { commands: before } = yield* start("p")
        const commandId = yield* operator.pause
        assert.isTrue(yield* before.begin(commandId))
        assert.isTrue(yield* before.begin(commandId))
        const { commands: after } = yield* start("p")
        assert.isFalse(yield* after.begin(commandId))
      })
    )

    cases.effect("keeps the unsettled commands of a process, with their epoch", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const before = yield* start("p")
        const commandId = yield* operator.pause
        const { commands: port } = yield* start("p")
        const shown = yield* opened(port.windows)
        const [left] = yield* shown.until((rows) => idsOf(rows) === commandId)
        assert.strictEqual(left?.epoch, before.commands.epoch)
        assert.isAbove(port.epoch, before.commands.epoch)
      })
    )

    cases.effect("refuses a superseded process, and ends its subscription", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { commands: port } = yield* start("p")
        const commandId = yield* operator.pause
        const shown = yield* opened(port.windows)
        yield* start("p")
        yield* assertFenced(port.settle(commandId, {}))
        yield* assertFenced(shown.end)
        assert.deepInclude(yield* operator.outcome(commandId), { status: "queued" })
      })
    )
  })
