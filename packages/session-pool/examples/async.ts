import { createSessionPool, isSessionPoolError } from "@opencode-worker/session-pool/async"

await using pool = await createSessionPool({
  capacity: 2,
  maxWaiting: 100,
  idleTimeToLive: 600_000,
  open: async (directory: string) => ({ directory, openedAt: Date.now() }),
  close: async ({ directory }) => console.log(`close ${directory}`)
})

const calls = ["/a", "/b", "/a", "/c"]
await Promise.all(calls.map((key) => pool.use(key, async (session) => console.log(`use ${session.directory}`))))

const { opens, hits, evictions } = pool.stats()
console.log(`${opens} opens, ${hits} hits, ${evictions} evictions`)

await pool.drain({ timeout: 30_000 })
try {
  await pool.use("/a", () => undefined)
} catch (error) {
  if (isSessionPoolError(error) && error.reason._tag === "Draining") console.log(error.message)
}
