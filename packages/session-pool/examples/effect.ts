import { SessionPool } from "@opencode-worker/session-pool"
import { Console, Effect } from "effect"

const open = (directory: string) =>
  Effect.acquireRelease(Effect.as(Console.log(`open ${directory}`), { directory }), () =>
    Console.log(`close ${directory}`)
  )

const program = Effect.gen(function* () {
  const pool = yield* SessionPool.make({ open, capacity: 2, idleTimeToLive: "10 minutes", maxWaiting: 100 })

  // Three callers of two keys: each key is opened once, and used by one caller at a time.
  const calls = ["/a", "/b", "/a"]
  yield* Effect.forEach(calls, (key) => pool.use(key, (session) => Console.log(`use ${session.directory}`)), {
    concurrency: "unbounded"
  })

  // Both slots are taken: the least recently used idle resource is closed first. `get` holds until its scope closes.
  yield* Effect.scoped(Effect.flatMap(pool.get("/c"), ({ directory }) => Console.log(`use ${directory}`)))

  const { opens, hits, evictions } = yield* pool.stats
  yield* Console.log(`${opens} opens, ${hits} hits, ${evictions} evictions`)
  yield* pool.drain({ timeout: "30 seconds" })
})

await Effect.runPromise(Effect.scoped(program))
