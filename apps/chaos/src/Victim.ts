/** The victims. Each fails without notice and is restored immediately. */
import { signal } from "@opencode-worker/harness"
import { Effect, Option } from "effect"
import { World } from "./World.ts"

/** `machine`: the worker, OpenCode and the deployment together, as in a power failure. */
export const victims = ["opencode", "socket", "deployment", "worker", "machine"] as const
export type Victim = (typeof victims)[number]

/** Drops all bytes in flight. */
const dropTraffic = Effect.flatMap(World, ({ proxy }) => Effect.andThen(proxy.cut, proxy.restore))

const strikes: Readonly<Record<Victim, Effect.Effect<void, unknown, World>>> = {
  opencode: Effect.gen(function* () {
    const { openCode, proxy } = yield* World
    signal((yield* openCode).pid, "SIGKILL")
    yield* proxy.restore
  }),
  socket: dropTraffic,
  deployment: Effect.gen(function* () {
    const { deployment } = yield* World
    yield* deployment.kill
    yield* dropTraffic
    yield* deployment.start
  }),
  worker: Effect.gen(function* () {
    const { worker } = yield* World
    yield* worker.kill
    yield* dropTraffic
    yield* worker.start
  }),
  machine: Effect.gen(function* () {
    const { deployment, openCode, worker } = yield* World
    const { pid } = yield* openCode
    signal(pid, "SIGKILL")
    yield* Effect.all([worker.kill, deployment.kill], { concurrency: "unbounded" })
    yield* dropTraffic
    yield* deployment.start
    yield* worker.start
  })
}

/** Strikes the victim and restores it. Continues a stopped process that is alive. */
export const strike = Effect.fn("Victim.strike")(function* (victim: Victim, stopped: Option.Option<number>) {
  yield* strikes[victim]
  if (Option.isSome(stopped)) signal(stopped.value, "SIGCONT")
})

/** Whether OpenCode keeps running when the victim fails. */
export const sparesOpenCode = (victim: Victim) => victim === "socket" || victim === "deployment"
