/** The lines of an event stream. Lines that need no effect are handled in the step in which they arrive. */
import type { Readable } from "node:stream"
import * as Effect from "effect/Effect"

type Lines = ReadonlyArray<string>

/**
 * Emits what `handle` leaves of the lines that have arrived, and reads on when it is run again. `handle` returns undefined to read on
 * at once.
 */
export const eventLines = (
  body: Readable,
  handle: (lines: Lines) => Lines | undefined
): Effect.Effect<Lines, "ended" | "error"> => {
  const decoder = new TextDecoder()
  /** The pieces of the last line so far. Joined once: an event may have a file of some MB, in pieces of 64 kB. */
  let pieces: Array<string> = []
  const left = (bytes: Uint8Array) => {
    const [piece = "", ...lines] = decoder.decode(bytes, { stream: true }).split("\n")
    pieces.push(piece)
    const rest = lines.pop()
    if (rest === undefined) return handle([])
    const line = pieces.join("")
    pieces = [rest]
    return handle([line, ...lines])
  }
  const end = () => Effect.fail(body.readableEnded && body.errored === null ? ("ended" as const) : ("error" as const))
  // Without a listener, an error between two steps would end the process.
  body.on("error", () => {})
  return Effect.callback((resume) => {
    const respond = (effect: Effect.Effect<Lines, "ended" | "error">) => {
      stop()
      resume(effect)
    }
    const onData = (bytes: Uint8Array) => {
      try {
        const lines = left(bytes)
        if (lines !== undefined) respond(Effect.succeed(lines))
      } catch (defect) {
        respond(Effect.die(defect))
      }
    }
    const onClose = () => respond(end())
    const stop = () => body.pause().off("data", onData).off("close", onClose)
    if (body.closed) return resume(end())
    body.on("data", onData).on("close", onClose).resume()
    return Effect.sync(stop)
  })
}
