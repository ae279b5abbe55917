/**
 * The entry of the threads in which functions run. It is a separate file, and must stay in the folder of the main file
 * under this name if the package is bundled.
 */
import { parentPort, workerData } from "node:worker_threads"
import { type ActionHost, type ActionsApi, actionsApi } from "./actions.ts"
import type { Commit } from "../values/calls.ts"
import { type EngineApi, type EngineSettings, type FunctionsInfo, openEngine } from "../engine/engine-api.ts"
import { loadFunctions } from "../functions/load.ts"
import type { ModuleList } from "../functions/modules.ts"
import { WatchdogState } from "../engine/watchdog-state.ts"
import { type Api, Peer } from "./rpc.ts"
import { install, setUrls } from "../functions/runtime.ts"
import { Store } from "../storage/store.ts"

export type ThreadData =
  | { readonly kind: "engine" | "reader"; readonly watchdog: SharedArrayBuffer }
  | {
      readonly kind: "actions"
      readonly watchdog: SharedArrayBuffer
      readonly modules: ModuleList
      readonly origin: string
    }

/** An answer of the engine thread: a result, and the commits since the last answer. */
export interface Answer<A> {
  readonly result: A
  readonly commit: Commit
}

const engineThread = (kind: "engine" | "reader", watchdog: WatchdogState) => {
  let store: Store | undefined
  let engine: EngineApi | undefined
  return {
    /** Opens the data file; then, when the URL of the deployment is known, loads the functions, which may read it. */
    open: async (settings: EngineSettings): Promise<FunctionsInfo | null> => {
      store ??= kind === "engine" ? Store.open(settings.file, settings.durability) : Store.openReader(settings.file)
      if (settings.origin === "") return null
      setUrls(settings.origin)
      const opened = await openEngine(settings, watchdog, store)
      engine = opened.api
      return opened.info
    },
    call: async (request: number, method: keyof EngineApi, args: ReadonlyArray<never>): Promise<Answer<unknown>> => {
      watchdog.begin(request)
      const result: unknown = await (engine as Api)[method]!(...args)
      watchdog.outside(() => engine!.sync())
      return { commit: engine!.takeCommit(), result }
    },
    forget: (id: number): void => engine?.forget(id)
  }
}

export type EngineThreadApi = ReturnType<typeof engineThread>

/** How often an action thread signals that its event loop runs. */
const BEAT_MILLIS = 250

const actionsThread = (watchdog: WatchdogState, modules: ModuleList): ActionsApi => {
  watchdog.beat()
  setInterval(() => watchdog.beat(), BEAT_MILLIS)
  const loaded = loadFunctions(modules).then((functions) => actionsApi(functions, host))
  // Callers receive the failure.
  loaded.catch(() => undefined)
  return {
    http: async (...args) => (await loaded).http(...args),
    run: async (...args) => (await loaded).run(...args)
  }
}

const data = workerData as ThreadData
install(data.kind === "actions" ? "actions" : "engine")
if (data.kind === "actions") setUrls(data.origin)
// An unhandled rejection of one function must not end the thread and the functions of others.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (cause: unknown) => console.error(cause))
}
const watchdog = new WatchdogState(data.watchdog)
const host: Peer<ActionHost> = new Peer(
  parentPort!,
  data.kind === "actions" ? actionsThread(watchdog, data.modules) : engineThread(data.kind, watchdog)
)
