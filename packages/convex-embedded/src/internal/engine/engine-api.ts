/** The requests that the engine thread handles. */
// The global timers refuse to work inside of a query or mutation.
import { clearTimeout, setTimeout } from "node:timers"
import type { AuthProvider } from "../values/identity.ts"
import type { Call, ClientMutation, MutationRequest, WatchRequest } from "../values/calls.ts"
import { Catalog, SCHEDULED_FUNCTIONS } from "../storage/catalog.ts"
import { runCrons, syncCrons } from "./crons.ts"
import { checkArguments, checkResult } from "./checks.ts"
import { Engine } from "./engine.ts"
import { FileUrls } from "./file-urls.ts"
import { type FileContent, fileInfo, readFile, storeFile } from "../query/files.ts"
import type { Functions } from "../functions/functions.ts"
import { beginJob, type DueJob, finishJob, sweepJobs, nextJob, recoverJobs } from "./job-steps.ts"
import { loadFunctions } from "../functions/load.ts"
import type { ModuleList } from "../functions/modules.ts"
import { type Durability, Store } from "../storage/store.ts"
import type { SweepPosition } from "../values/calls.ts"
import { dispatchForAction } from "./syscalls.ts"
import type { WatchdogState } from "./watchdog-state.ts"
import { exportTable, type ImportMode, importTable } from "../query/transfers.ts"

export interface EngineSettings {
  /** The data file. */
  readonly file: string
  readonly durability: Durability
  readonly modules: ModuleList
  /** The URL of the deployment; empty until it listens. */
  readonly origin: string
  /** Signs upload URLs. */
  readonly secret: Uint8Array
  readonly userTimeLimit: number
}

/** The part of the loaded functions that the rest of the deployment uses. */
export interface FunctionsInfo {
  readonly authProviders: ReadonlyArray<AuthProvider>
  readonly hasHttp: boolean
}

/** Loads the functions. If that fails, the store is closed. */
export const openEngine = async (settings: EngineSettings, watchdog: WatchdogState, store: Store) => {
  try {
    return startEngine(settings, watchdog, store, await loadFunctions(settings.modules))
  } catch (cause) {
    store.close()
    throw cause
  }
}

const startEngine = (settings: EngineSettings, watchdog: WatchdogState, store: Store, functions: Functions) => {
  const catalog = new Catalog(store)
  if (!store.isReader) catalog.sync(functions.schema)
  const idle = store.isReader ? undefined : setTimeout(() => store.checkpoint(), IDLE_MILLIS)
  const engine = new Engine({
    catalog,
    fileUrls: new FileUrls(settings.secret, settings.origin),
    functions,
    onCommit: () => void idle?.refresh(),
    jobsIndex: catalog.table(SCHEDULED_FUNCTIONS).indexes.get("by_state")!.id,
    store,
    userTimeLimit: settings.userTimeLimit,
    watchdog
  })
  const close = () => {
    clearTimeout(idle)
    store.close()
  }
  return { api: { ...engineApi(engine, store), close }, info: describe(functions) }
}

/** The log is checkpointed after this time without a commit, when no client waits for the disk. */
const IDLE_MILLIS = 50

const engineApi = (engine: Engine, store: Store) => ({
  query: (call: Call) => engine.query(call),
  watch: (requests: ReadonlyArray<WatchRequest>) => engine.watch(requests),
  /** Of a reader. */
  snapshot: (requests: ReadonlyArray<WatchRequest>) => engine.snapshot(requests),
  /** Permits readers, and reports the keys that later commits change. */
  share: () => store.share(),
  /** While no reader has a snapshot. */
  truncateLog: () => store.truncateLog(),
  mutations: (requests: ReadonlyArray<MutationRequest>) => engine.mutations(requests),
  answer: (request: ClientMutation) => engine.answer(request),

  /** The kind of any function, public or not. */
  kindOf: (path: string) => engine.lookup(path)?.kind ?? null,
  /** Checks the call of an action. Returns the path under which it is loaded. */
  admitAction: (call: Call) => {
    const found = engine.find(call, "action")
    checkArguments(found, call.args, engine.catalog.isId)
    return found.path
  },
  checkResult: (path: string, json: string) => checkResult(engine.lookup(path)!, json, engine.catalog.isId),
  syscall: (operation: string, argument: string) =>
    engine.write((transaction) => dispatchForAction(engine, transaction, operation, argument)),

  fileInfo: (id: string) => engine.write((transaction) => fileInfo(transaction, id)),
  readFile: (id: string, range?: { readonly start: number; readonly end: number }) =>
    engine.write((transaction) => readFile(transaction, id, range)),
  storeFile: (content: FileContent, sha256: string | undefined) =>
    engine.write((transaction) => storeFile(transaction, content, sha256)),

  recoverJobs: () => recoverJobs(engine),
  sweepJobs: (from: SweepPosition | null) => sweepJobs(engine, from),
  sweepAnswers: (from: SweepPosition | null) => store.answers.sweep(from, store.nextTs()),
  nextJob: (actionsAreBusy: boolean) => nextJob(engine, actionsAreBusy),
  beginJob: (job: DueJob) => beginJob(engine, job),
  finishJob: (id: string, error: string | null) => finishJob(engine, id, error),
  syncCrons: () => syncCrons(engine),
  runCrons: () => runCrons(engine),

  reload: async (modules: ModuleList): Promise<FunctionsInfo> => {
    const functions = await loadFunctions(modules)
    engine.catalog.sync(functions.schema)
    engine.functions = functions
    return describe(functions)
  },
  exportTable: (table: string, file: string) =>
    engine.writeUnlimited((transaction) => exportTable(transaction, table, file)),
  importTable: (table: string, file: string, mode: ImportMode) =>
    engine.writeUnlimited((transaction) => importTable(transaction, table, file, mode)),
  backup: (file: string) => store.backup(file),
  sync: () => store.sync(),
  takeCommit: () => engine.takeCommit(),
  forget: (id: number) => engine.readSets.delete(id)
})

export type EngineApi = Awaited<ReturnType<typeof openEngine>>["api"]

const describe = ({ authProviders, http }: Functions): FunctionsInfo => ({ authProviders, hasHttp: http !== null })
