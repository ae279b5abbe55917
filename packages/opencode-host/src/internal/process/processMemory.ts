/**
 * Remembers what a server starts, where no control group contains it.
 *
 * A daemon leaves its session, drops its environment and loses its parent. Each step alone leaves a trace, so looks
 * between the steps find it. The server adopts its orphans (see `adopt.ts`), so a daemon stays in the tree below it for
 * as long as the server lives; the memory is for servers that die, or that adopt nothing. A daemon that takes all the
 * steps between two looks, below a server that adopts nothing, is missed.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { look } from "./processes.ts"
import { type Belonging, nothing } from "./belonging.ts"

export interface ProcessMemory {
  /** Something may have been started: look soon. Returns at once. */
  readonly notice: Effect.Effect<void>
  readonly known: Effect.Effect<Belonging>
}

/** A look took 4 ms with 150 processes. */
const shortest = Duration.millis(250)
/** A look that takes long, because there are many processes, is followed by a pause of so many times its length. */
const pause = 20

/** Looks for as long as the scope lives, and reports each change. */
export const makeProcessMemory = Effect.fnUntraced(function* (
  hostId: string,
  changed: (known: Belonging) => Effect.Effect<void>
) {
  const wanted = yield* Queue.sliding<void>(1)
  let known = nothing
  const lookOnce = Effect.gen(function* () {
    yield* Queue.take(wanted)
    const began = yield* Clock.currentTimeMillis
    const before = known
    known = yield* look(hostId, known)
    if (!sameKeys(before.processes, known.processes)) yield* changed(known)
    const took = (yield* Clock.currentTimeMillis) - began
    yield* Effect.sleep(Duration.max(shortest, Duration.millis(took * pause)))
  })
  yield* Effect.forkScoped(Effect.forever(lookOnce))
  return {
    notice: Effect.asVoid(Queue.offer(wanted, undefined)),
    known: Effect.sync(() => known)
  } satisfies ProcessMemory
})

const sameKeys = (one: ReadonlyMap<number, string>, other: ReadonlyMap<number, string>) =>
  one.size === other.size && [...one.keys()].every((pid) => other.has(pid))
