/**
 * The entry of the threads in which functions run. It is a file of its own beside the rest of this package, and has
 * to stay beside it, under this name, wherever the package is bundled.
 */
import { parentPort, workerData } from "node:worker_threads"
import { type ActionHost, type ActionsApi, actionsApi } from "./actions.ts"
import type { Commit } from "./calls.ts"
import { type EngineApi, type EngineSettings, type FunctionsInfo, openEngine } from "./engine-api.ts"
import { loadFunctions } from "./load.ts"
import type { ModuleList } from "./modules.ts"
import { Pulse } from "./pulse.ts"
import { type Api, Peer } from "./rpc.ts"
import { install } from "./runtime.ts"

export type ThreadData =
  | { readonly kind: "engine"; readonly pulse: SharedArrayBuffer }
  | { readonly kind: "actions"; readonly pulse: SharedArrayBuffer; readonly modules: ModuleList }

/** How the thread with the store answers. */
export interface Answer<A> {
  readonly result: A
  readonly commit: Commit
}

const engineThread = (pulse: Pulse) => {
  let engine: EngineApi | undefined
  return {
    open: async (settings: EngineSettings): Promise<FunctionsInfo> => {
      const opened = await openEngine(settings, pulse)
      engine = opened.api
      return opened.info
    },
    perform: async (request: number, method: keyof EngineApi, args: ReadonlyArray<never>): Promise<Answer<unknown>> => {
      pulse.begin(request)
      const result: unknown = await (engine as Api)[method]!(...args)
      pulse.outside(() => engine!.sync())
      return { commit: engine!.takeCommit(), result }
    },
    forget: (id: number): void => engine?.forget(id)
  }
}

export type EngineThreadApi = ReturnType<typeof engineThread>

/** How often a thread of actions shows that it is not stuck. */
const BEAT_MILLIS = 250

const actionsThread = (pulse: Pulse, modules: ModuleList): ActionsApi => {
  pulse.enter()
  setInterval(() => pulse.enter(), BEAT_MILLIS)
  const loaded = loadFunctions(modules).then((functions) => actionsApi(functions, host))
  // Whoever calls hears of it.
  loaded.catch(() => undefined)
  return {
    http: async (...args) => (await loaded).http(...args),
    run: async (...args) => (await loaded).run(...args)
  }
}

const data = workerData as ThreadData
install(data.kind)
// A promise that a function left behind ends neither this thread nor the functions of others.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (cause: unknown) => console.error(cause))
}
const pulse = new Pulse(data.pulse)
const host: Peer<ActionHost> = new Peer(
  parentPort!,
  data.kind === "engine" ? engineThread(pulse) : actionsThread(pulse, data.modules)
)
