/** A world for soak tests of the worker: the built command, a deployment in its own process, and the real OpenCode. */
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { NodeServices } from "@effect/platform-node"
import { type Client, createClient } from "@opencode-worker/client"
import { type Deployment, type Running, startDeployment } from "@opencode-worker/harness"
import { OpenCodeHome, type Script, ScriptedProvider, type ScriptedProviderOptions } from "@opencode-worker/testkit"
import { Config, Effect, Layer } from "effect"
import { assert } from "@effect/vitest"
import * as command from "../command.ts"

export const minutesOfSoak = Config.Number("SOAK_MINUTES").pipe(Config.withDefault(10))

/** The time between two prompts of an operator. */
export const pause = (over: AbortSignal): Promise<void> =>
  sleep(10_000 + Math.random() * 30_000, undefined, { signal: over }).catch(() => undefined)

/** A scripted model, and a home whose OpenCode requests permission for `rm`. */
export const soakWorld = (script: Script, options?: ScriptedProviderOptions) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { config } = yield* ScriptedProvider
      const permission = { bash: { "rm *": "ask" } }
      return Layer.effect(OpenCodeHome, OpenCodeHome.make({ config: { ...config, snapshot: false, permission } }))
    })
  ).pipe(Layer.provideMerge(Layer.merge(ScriptedProvider.layer(script, options), NodeServices.layer)))

/** `SOAK_NODE_OPTIONS`: flags of Node.js for the worker and the deployment, such as `--heapsnapshot-signal=SIGUSR2`. */
const nodeOptions = Config.String("SOAK_NODE_OPTIONS").pipe(
  Config.map((flags) => ({ NODE_OPTIONS: flags })),
  Config.withDefault({})
)

/** A deployment that ends with the scope. `page`: the folder of the web console. */
export const soakDeployment = Effect.fnUntraced(function* (page?: string) {
  const { root } = yield* OpenCodeHome
  const environment = { OPENCODE_WORKER_QUOTA: "0", ...(yield* nodeOptions) }
  return yield* Effect.acquireRelease(
    Effect.promise(() => startDeployment(join(root, "deployment"), environment, page)),
    (served) => Effect.promise(() => served.kill())
  )
})

/** Starts the worker, which ends with the scope. */
export const soakWorker = Effect.fnUntraced(function* ({ url }: Deployment) {
  const { directory, environment, root } = yield* OpenCodeHome
  const flags = ["--permissions", "inherit", "--print-pairing-code", "--health-listen", "127.0.0.1:0"]
  const options = { root, environment: { ...environment, ...(yield* nodeOptions) } }
  return yield* command.start(options, "start", "--url", url, "--directory", directory, ...flags)
})

/** Clients that are closed with the stack. */
export const connect = (stack: AsyncDisposableStack, { token, url }: Deployment, count: number) =>
  Array.from({ length: count }, () => stack.use(createClient({ url, auth: token })))

/** Approves a new worker, and returns its id. */
export const approve = async (client: Client, worker: Running) => {
  const [, code = ""] = await worker.prints(/^Pairing code +(\S+)/m)
  await client.workers.approve(code)
  await worker.prints(/^Ready/m)
  const workerId = (await client.workers.list())[0]?.workerId
  assert.isDefined(workerId)
  return workerId
}
