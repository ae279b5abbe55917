import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

/** Bytes of a call without its text: ids, the worker's secret, the frame. */
const perCall = 1500

/** Of the command before the answer. Its final part has it twice: OpenCode's `output` and `metadata.output`. */
const outputBytes = ({ lines = 0 }: { readonly lines?: number }) => lines * 38

describe.skipIf(process.env["TEST_FULL"] === undefined)("bench stream", () => {
  it(
    "delivers every answer whole, with few calls and bytes in proportion to the text",
    { timeout: 400_000 },
    async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        "--conditions=@opencode-worker/source",
        main,
        "stream",
        "--quick",
        "--json"
      ])
      const [, ...lines] = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepEqual(
        lines.map(({ correct, operators, turns }) => ({ correct, operators, turns })),
        [
          { correct: 3, operators: 1, turns: 3 },
          { correct: 6, operators: 3, turns: 6 },
          { correct: 2, operators: 1, turns: 2 }
        ]
      )
      for (const line of lines) {
        assert.isAtMost(line.callsPerTurnUnwatched, 12)
        // The text goes twice: as it streams, and in the final parts, which are JSON within JSON.
        const calls = line.callsPerTurnWatched * line.operators * line.rounds
        assert.isBelow(line.bytesWritten, 3 * line.textBytes + perCall * calls + 5 * outputBytes(line))
        assert.isAtMost(line.mutationsPerSecond, 4 + line.operators)
        for (const field of ["firstTextP50Ms", "rawFirstTextP50Ms", "doneP50Ms", "mutationsPerSecond"]) {
          assert.isAbove(line[field], 0, field)
        }
      }
      // A command that prints a line every 50 ms: its output streams once while a client watches, and otherwise not at all.
      const chatty = lines.at(-1)
      assert.isAbove(chatty.outputSeen, 1_000)
      assert.isAbove(chatty.streamedBytesPerTurnWatched, outputBytes(chatty))
      assert.isBelow(chatty.streamedBytesPerTurnUnwatched, outputBytes(chatty))
    }
  )
})
