import { Console, Effect } from "effect"
import { Worker } from "opencode-worker"

const program = Effect.gen(function* () {
  const worker = yield* Worker
  const runFork = Effect.runForkWith(yield* Effect.context())
  process.once("SIGTERM", () => runFork(worker.stop))
  yield* worker.ready
  yield* Console.log("Ready")
  const { detail } = yield* worker.stopped
  yield* Console.log(detail)
})

const worker = Worker.layer({
  url: process.env["CONVEX_URL"] ?? "https://happy-otter-123.convex.cloud",
  directory: process.cwd(),
  onPairingCode: (code) => Console.log(`Pairing code: ${code}`)
})

await Effect.runPromise(Effect.provide(program, worker))
