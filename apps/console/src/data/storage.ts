/** Key-value stores in IndexedDB. Where it is not available, as in some private windows, they live as long as the page. */

export interface Store<A> {
  readonly get: (key: string) => Promise<A | undefined>
  readonly set: (key: string, value: A) => Promise<void>
  readonly remove: (key: string) => Promise<void>
  /** In the order of the keys. */
  readonly all: () => Promise<ReadonlyArray<A>>
  /** The number of keys. */
  readonly size: () => Promise<number>
  readonly clear: () => Promise<void>
}

/** `identity`: the device. `outbox`: prompts that wait. `drafts`: text that is being typed. `cache`: what was read. `shared`: what another app sent. */
const names = ["identity", "outbox", "drafts", "cache", "shared"] as const
export type StoreName = (typeof names)[number]

const settled = <A>(request: IDBRequest<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result))
    request.addEventListener("error", () => reject(request.error ?? new Error("IndexedDB failed")))
  })

let opened: Promise<IDBDatabase> | undefined
const open = (): Promise<IDBDatabase> => {
  if (opened === undefined) {
    const request = indexedDB.open("opencode-worker", 1)
    request.addEventListener("upgradeneeded", () => {
      for (const name of names) request.result.createObjectStore(name)
    })
    opened = settled(request)
  }
  return opened
}

export const memoryStore = <A>(): Store<A> => {
  const values = new Map<string, A>()
  return {
    get: (key) => Promise.resolve(values.get(key)),
    set: (key, value) => Promise.resolve(void values.set(key, value)),
    remove: (key) => Promise.resolve(void values.delete(key)),
    all: () => Promise.resolve([...values].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)),
    size: () => Promise.resolve(values.size),
    clear: () => Promise.resolve(values.clear())
  }
}

export const openStore = <A>(name: StoreName): Store<A> => {
  const fallback = memoryStore<A>()
  const use = async <B>(
    mode: IDBTransactionMode,
    run: (store: IDBObjectStore) => Promise<B>,
    otherwise: (store: Store<A>) => Promise<B>
  ): Promise<B> => {
    let database: IDBDatabase
    try {
      database = await open()
    } catch {
      return otherwise(fallback)
    }
    return run(database.transaction(name, mode).objectStore(name))
  }
  const write = (run: (store: IDBObjectStore) => IDBRequest, otherwise: (store: Store<A>) => Promise<void>) =>
    use(
      "readwrite",
      async (store) => {
        await settled(run(store))
      },
      otherwise
    )
  return {
    get: (key) =>
      use<A | undefined>(
        "readonly",
        (store) => settled(store.get(key)),
        (store) => store.get(key)
      ),
    set: (key, value) =>
      write(
        (store) => store.put(value, key),
        (store) => store.set(key, value)
      ),
    remove: (key) =>
      write(
        (store) => store.delete(key),
        (store) => store.remove(key)
      ),
    all: () =>
      use<ReadonlyArray<A>>(
        "readonly",
        (store) => settled<Array<A>>(store.getAll()),
        (store) => store.all()
      ),
    size: () =>
      use(
        "readonly",
        (store) => settled(store.count()),
        (store) => store.size()
      ),
    clear: () =>
      write(
        (store) => store.clear(),
        (store) => store.clear()
      )
  }
}
