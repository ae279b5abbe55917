/** Query results that clients watch: shared by all that ask the same, and outdated by the first write that they depend on. */
import type { QueryRun } from "./executor.ts"
import type { Key } from "./keys.ts"
import type { Change, KeyRange } from "./transaction.ts"

/** A result that is current until it is outdated; then its watchers are told, once. */
export interface LiveResult {
  readonly run: QueryRun
  readonly watchers: Set<() => void>
  readonly key: string
  outdated: boolean
}

export class Subscriptions {
  readonly #current = new Map<string, LiveResult>()
  readonly #byIndex = new Map<number, Set<LiveResult>>()

  /** The current result for `key`, computed by `run` if nobody has it. Nothing may be written meanwhile. */
  async watch(key: string, watcher: () => void, run: () => Promise<QueryRun>): Promise<LiveResult> {
    const shared = this.#current.get(key) ?? this.#add({ key, outdated: false, run: await run(), watchers: new Set() })
    shared.watchers.add(watcher)
    return shared
  }

  unwatch(result: LiveResult, watcher: () => void): void {
    result.watchers.delete(watcher)
    if (result.watchers.size === 0) this.#remove(result)
  }

  onCommit(changes: ReadonlyArray<Change>): void {
    for (const [indexId, keys] of keysByIndex(changes)) {
      for (const result of this.#byIndex.get(indexId) ?? []) {
        if (result.run.reads.some((range) => range.index.id === indexId && contains(range, keys))) this.#outdate(result)
      }
    }
  }

  /** All results may differ: the functions themselves have changed. */
  outdateAll(): void {
    for (const result of Array.from(this.#current.values())) this.#outdate(result)
  }

  #outdate(result: LiveResult): void {
    this.#remove(result)
    result.outdated = true
    for (const watcher of result.watchers) watcher()
  }

  #add(result: LiveResult): LiveResult {
    this.#current.set(result.key, result)
    for (const { index } of result.run.reads) {
      const others = this.#byIndex.get(index.id)
      if (others === undefined) this.#byIndex.set(index.id, new Set([result]))
      else others.add(result)
    }
    return result
  }

  #remove(result: LiveResult): void {
    if (this.#current.get(result.key) === result) this.#current.delete(result.key)
    for (const { index } of result.run.reads) {
      const others = this.#byIndex.get(index.id)
      if (others?.delete(result) && others.size === 0) this.#byIndex.delete(index.id)
    }
  }
}

const keysByIndex = (changes: ReadonlyArray<Change>): Map<number, ReadonlyArray<Key>> => {
  const keys = new Map<number, Array<Key>>()
  for (const { indexId, key } of changes) {
    const others = keys.get(indexId)
    if (others === undefined) keys.set(indexId, [key])
    else others.push(key)
  }
  for (const each of keys.values()) each.sort((left, right) => left.compare(right))
  return keys
}

/** Whether one of the sorted keys is in the range: the first one that is not below it decides. */
const contains = ({ high, low }: KeyRange, keys: ReadonlyArray<Key>): boolean => {
  let [from, to] = [0, keys.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if (Buffer.compare(keys[middle]!, low) < 0) from = middle + 1
    else to = middle
  }
  return from < keys.length && Buffer.compare(keys[from]!, high) < 0
}
