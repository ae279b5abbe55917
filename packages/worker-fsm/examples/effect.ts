import { WorkerLifecycle } from "@opencode-worker/worker-fsm"
import { Console, Effect, Stream } from "effect"

const program = Effect.gen(function* () {
  const lifecycle = yield* WorkerLifecycle
  yield* lifecycle.changes.pipe(
    Stream.runForEach((state) => Console.log(state._tag)),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* lifecycle.send({ _tag: "Start" })
  yield* lifecycle.awaitState("Ready")
  yield* lifecycle.send({ _tag: "Stop" }, { cause: "SIGTERM" })
  const { reason, exitCode } = yield* lifecycle.stopped
  yield* Console.log(`${reason}: exit code ${exitCode}`)
})

const worker = WorkerLifecycle.layer({
  activities: {
    Registering: () => Effect.succeed({ _tag: "Registered", approved: true }),
    Connecting: ({ attempt }) =>
      attempt === 0 ? Effect.fail("the deployment is unreachable") : Effect.succeed({ _tag: "Connected" }),
    Draining: () => Console.log("waiting for running turns"),
    Stopping: () => Console.log("releasing resources")
  },
  recoveryDelay: "10 millis"
})

await Effect.runPromise(program.pipe(Effect.provide(worker), Effect.scoped))
