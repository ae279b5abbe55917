/** What the thread with the store does on request. */
// Not the global ones, which refuse to work inside of a query or mutation.
import { clearTimeout, setTimeout } from "node:timers"
import type { AuthProvider } from "./auth.ts"
import type { Call, ClientMutation, MutationRequest, WatchRequest } from "./calls.ts"
import { Catalog, SCHEDULED_FUNCTIONS } from "./catalog.ts"
import { runCrons, syncCrons } from "./crons.ts"
import { Engine } from "./engine.ts"
import { type FileContent, FileUrls, readFile, storeFile } from "./files.ts"
import type { Functions } from "./functions.ts"
import { beginJob, type DueJob, finishJob, forgetJobs, nextJob, recoverJobs } from "./job-steps.ts"
import { loadFunctions } from "./load.ts"
import type { ModuleList } from "./modules.ts"
import type { Pulse } from "./pulse.ts"
import { type Durability, Store } from "./store.ts"
import type { Place } from "./sweep.ts"
import { performForAction } from "./syscalls.ts"
import { exportTable, type ImportMode, importTable } from "./transfers.ts"

export interface EngineSettings {
  /** The data file. */
  readonly file: string
  readonly durability: Durability
  readonly modules: ModuleList
  /** The URL of the deployment, once it is known. */
  readonly origin: string
  /** Signs upload URLs. */
  readonly secret: Uint8Array
  readonly userTimeLimit: number
}

/** What the rest of the deployment needs to know of the functions. */
export interface FunctionsInfo {
  readonly authProviders: ReadonlyArray<AuthProvider>
  readonly hasHttp: boolean
}

/** Opens the store for as long as the thread lives. */
export const openEngine = async (settings: EngineSettings, pulse: Pulse) => {
  const functions = await loadFunctions(settings.modules)
  const store = Store.open(settings.file, settings.durability)
  const catalog = new Catalog(store)
  catalog.sync(functions.schema)
  const quiet = setTimeout(() => store.checkpoint(), QUIET_MILLIS)
  const engine = new Engine({
    catalog,
    fileUrls: new FileUrls(settings.secret, settings.origin),
    functions,
    onCommit: () => void quiet.refresh(),
    jobsIndex: catalog.table(SCHEDULED_FUNCTIONS).indexes.get("by_state")!.id,
    pulse,
    store,
    userTimeLimit: settings.userTimeLimit
  })
  const close = () => {
    clearTimeout(quiet)
    store.close()
  }
  return { api: { ...engineApi(engine, store), close }, info: describe(functions) }
}

/** Without a commit for so many milliseconds nobody waits for the disk. */
const QUIET_MILLIS = 50

const engineApi = (engine: Engine, store: Store) => ({
  query: (call: Call) => engine.query(call),
  watch: (requests: ReadonlyArray<WatchRequest>) => engine.watch(requests),
  mutations: (requests: ReadonlyArray<MutationRequest>) => engine.mutations(requests),
  answer: (request: ClientMutation) => engine.answer(request),

  /** Whether clients may call it is for the caller to say; any kind of function. */
  kindOf: (path: string) => engine.lookup(path)?.kind ?? null,
  /** Lets an action run: gives its path, and whether its result is to be checked. */
  admitAction: (call: Call) => {
    const found = engine.find(call, "action")
    engine.checkArguments(found, call.args)
    return found.path
  },
  checkResult: (path: string, json: string) => engine.checkResult(engine.lookup(path)!, json),
  syscall: (operation: string, argument: string) =>
    engine.write((transaction) => performForAction(engine, transaction, operation, argument)),

  readFile: (id: string) => engine.write((transaction) => readFile(transaction, id)),
  storeFile: (content: FileContent, sha256: string | undefined) =>
    engine.write((transaction) => storeFile(transaction, content, sha256)),

  recoverJobs: () => recoverJobs(engine),
  forgetJobs: (from: Place | null) => forgetJobs(engine, from),
  forgetAnswers: (from: Place | null) => store.answers.forget(from, store.nextTs()),
  nextJob: (actionsAreBusy: boolean) => nextJob(engine, actionsAreBusy),
  beginJob: (job: DueJob) => beginJob(engine, job),
  finishJob: (id: string, error: string | null) => finishJob(engine, id, error),
  syncCrons: () => syncCrons(engine),
  runCrons: () => runCrons(engine),

  setOrigin: (origin: string) => void (engine.fileUrls.origin = origin),
  reload: async (modules: ModuleList): Promise<FunctionsInfo> => {
    const functions = await loadFunctions(modules)
    engine.catalog.sync(functions.schema)
    engine.functions = functions
    return describe(functions)
  },
  exportTable: (table: string, file: string) => exportTable(engine, table, file),
  importTable: (table: string, file: string, mode: ImportMode) => importTable(engine, table, file, mode),
  backup: (file: string) => store.backup(file),
  sync: () => store.sync(),
  takeCommit: () => engine.takeCommit(),
  forget: (id: number) => engine.readSets.delete(id)
})

export type EngineApi = Awaited<ReturnType<typeof openEngine>>["api"]

const describe = ({ authProviders, http }: Functions): FunctionsInfo => ({ authProviders, hasHttp: http !== null })
