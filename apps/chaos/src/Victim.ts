/** What can fail, and how: at once, without a word, and back again as soon as possible. */
import { signal } from "@opencode-worker/harness"
import { Effect, Option } from "effect"
import { World } from "./World.ts"

/** `machine`: the worker, OpenCode and the deployment at once, as when the power fails. */
export const victims = ["opencode", "socket", "deployment", "worker", "machine"] as const
export type Victim = (typeof victims)[number]

/** Nothing that was on its way arrives any more. */
const loseTheWay = Effect.flatMap(World, ({ proxy }) => Effect.andThen(proxy.cut, proxy.restore))

const strikes: Readonly<Record<Victim, Effect.Effect<void, unknown, World>>> = {
  opencode: Effect.gen(function* () {
    const { openCode, proxy } = yield* World
    signal((yield* openCode).pid, "SIGKILL")
    yield* proxy.restore
  }),
  socket: loseTheWay,
  deployment: Effect.gen(function* () {
    const { deployment } = yield* World
    yield* deployment.kill
    yield* loseTheWay
    yield* deployment.start
  }),
  worker: Effect.gen(function* () {
    const { worker } = yield* World
    yield* worker.kill
    yield* loseTheWay
    yield* worker.start
  }),
  machine: Effect.gen(function* () {
    const { deployment, openCode, worker } = yield* World
    const { pid } = yield* openCode
    signal(pid, "SIGKILL")
    yield* Effect.all([worker.kill, deployment.kill], { concurrency: "unbounded" })
    yield* loseTheWay
    yield* deployment.start
    yield* worker.start
  })
}

/** Strikes, and sees to it that everything runs again. What was stopped goes on, if it lives. */
export const strike = Effect.fn("Victim.strike")(function* (victim: Victim, stopped: Option.Option<number>) {
  yield* strikes[victim]
  if (Option.isSome(stopped)) signal(stopped.value, "SIGCONT")
})

/** Whether what OpenCode does goes on when the victim fails. */
export const sparesOpenCode = (victim: Victim) => victim === "socket" || victim === "deployment"
