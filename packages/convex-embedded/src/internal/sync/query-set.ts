/**
 * The queries of one client, and the Transitions that update their results.
 *
 * Invariants
 * - Every Transition starts at the end version of the previous one, and all its results are of one timestamp.
 * - A result is sent once, and again only if it has changed.
 */
import type { JSONValue } from "convex/values"
import { ANONYMOUS, type Caller } from "../values/calls.ts"
import { limits } from "../values/limits.ts"
import { type ClientMessage, encodeVersion, type QueryModification, type Version } from "./protocol.ts"
import { describeOutcome } from "./responses.ts"
import type { LiveResult, Subscriptions, Watch, WatchedQuery, Watcher } from "../threads/subscriptions.ts"

interface Query {
  readonly path: string
  /** As JSON text, which takes less memory than the value. */
  readonly args: string
  /** Its memory, without the result. */
  readonly bytes: number
  readonly watcher: Watcher
  journal: string | null
  live: LiveResult | null
  /** The result that the client has, as comparable text; `null` if it has none. */
  sent: string | null
}

const toWatchedQuery = ({ args, journal, path }: Query, { caller, identity }: Caller): WatchedQuery => ({
  call: () => ({ args: JSON.parse(args) as JSONValue, caller, identity, path }),
  journal,
  key: JSON.stringify([path, args, caller, identity, journal])
})

const TOO_MANY = `A connection can subscribe to ${limits.subscriptions} queries. Unsubscribe from those that are no longer read.`

/** The subscriptions of a connection exceed `limits.subscriptionBytes`. */
export class SubscriptionsTooLarge extends Error {
  override readonly name = "SubscriptionsTooLarge"
  constructor() {
    super(`the arguments and results of one connection are more than ${limits.subscriptionBytes} bytes`)
  }
}

interface QuerySetOptions {
  /** Called when a result is invalidated. */
  readonly onInvalidated: () => void
  /** Receives the memory of the queries and their results. */
  readonly hold: (bytes: number) => void
}

export class QuerySet {
  readonly #subscriptions: Subscriptions
  readonly #options: QuerySetOptions
  readonly #queries = new Map<number, Query>()
  /** The memory of all queries, without results. */
  #queryBytes = 0
  /** The memory of the shared results that are charged to this client. */
  #paidBytes = 0
  #disposed = false
  #removed: Array<number> = []
  /** Added beyond the limit of queries. The client has its answer with the next transition, and nothing of it is kept. */
  #refused: Array<number> = []
  #caller = ANONYMOUS
  /** The version that the client has, and the one that it has requested. */
  #version: Version = { identity: 0, querySet: 0, ts: 0n }
  #requested = { identity: 0, querySet: 0 }
  #owesTransition = false

  constructor(subscriptions: Subscriptions, options: QuerySetOptions) {
    this.#subscriptions = subscriptions
    this.#options = options
  }

  get caller(): Caller {
    return this.#caller
  }

  /** The number of times the client has authenticated. */
  get identityVersion(): number {
    return this.#requested.identity
  }

  /** Changes the identity of the client: all results are computed again. */
  identify(caller: Caller): void {
    this.#caller = caller
    this.#requested.identity++
    for (const query of this.#queries.values()) this.#forget(query)
  }

  /** Requests a transition to the time of a commit, even if no result changed: the client waits for it. */
  oweTransition(): void {
    this.#owesTransition = true
  }

  modify({ baseVersion, modifications, newVersion }: ClientMessage & { type: "ModifyQuerySet" }): void {
    if (baseVersion !== this.#requested.querySet) throw new Error("baseVersion is not the current query set version")
    for (const modification of modifications) this.#modify(modification)
    if (this.#queryBytes > limits.subscriptionBytes) throw new SubscriptionsTooLarge()
    this.#requested.querySet = newVersion
    this.#hold()
  }

  #hold(): void {
    this.#options.hold(this.#queryBytes + this.#paidBytes)
  }

  #modify(modification: QueryModification): void {
    const previous = this.#queries.get(modification.queryId)
    if (modification.type === "Add") {
      if (previous !== undefined) throw new Error(`query ${modification.queryId} was added before`)
      if (this.#queries.size < limits.subscriptions) this.#queries.set(modification.queryId, this.#query(modification))
      // An error of this query alone: a closed connection would return with the same queries, and lose all of them again.
      else this.#refused.push(modification.queryId)
    } else if (previous !== undefined) {
      this.#forget(previous)
      this.#queryBytes -= previous.bytes
      this.#queries.delete(modification.queryId)
      this.#removed.push(modification.queryId)
    }
  }

  #query({ args, journal, udfPath: path }: QueryModification & { type: "Add" }): Query {
    const text = JSON.stringify(args)
    const bytes = text.length + path.length + (journal?.length ?? 0) + limits.subscriptionOverhead
    this.#queryBytes += bytes
    const { onInvalidated } = this.#options
    const pay = (more: number) => {
      this.#paidBytes += more
      this.#hold()
    }
    return { args: text, bytes, journal, live: null, path, sent: null, watcher: { onInvalidated, pay } }
  }

  #forget(query: Query): void {
    if (query.live !== null) this.#subscriptions.unwatch(query.live, query.watcher)
    query.live = null
  }

  dispose(): void {
    this.#disposed = true
    for (const query of this.#queries.values()) this.#forget(query)
    this.#queries.clear()
  }

  /** The paths of the queries without a current result. */
  get stalePaths(): ReadonlyArray<string> {
    return Array.from(this.#queries.values()).flatMap(({ live, path }) =>
      live === null || live.invalidated ? [path] : []
    )
  }

  /** The next transition; its text is `null` if none is due. Returns `null` if `watch` does. */
  async transition(watch: Watch): Promise<{ readonly text: string | null } | null> {
    const [requested, owed] = [{ ...this.#requested }, this.#owesTransition]
    const [removed, refused] = [this.#removed, this.#refused]
    const caller = this.#caller
    this.#owesTransition = false
    this.#removed = []
    this.#refused = []
    const modifications = [
      ...removed.map((queryId) => JSON.stringify({ queryId, type: "QueryRemoved" })),
      ...refused.map((queryId) =>
        JSON.stringify({ queryId, type: "QueryFailed", errorMessage: TOO_MANY, logLines: [] })
      )
    ]
    // The queries of this version: messages that arrive meanwhile are part of the next transition.
    const stale = Array.from(this.#queries).filter(([, { live }]) => live === null || live.invalidated)
    const current = Array.from(this.#queries).flatMap(([queryId, query]) =>
      query.live !== null && !query.live.invalidated ? [{ live: query.live, query, queryId }] : []
    )
    const currentBytes = this.#queryBytes + current.reduce((sum, { live }) => sum + live.bytes, 0)
    const watched = await watch(
      stale.map(([, query]) => toWatchedQuery(query, caller)),
      stale.map(([, { watcher }]) => watcher),
      (bytes) => {
        if (this.#disposed) throw new Error("The connection is closed.")
        if (currentBytes + bytes > limits.subscriptionBytes) throw new SubscriptionsTooLarge()
        // Results are counted while they are computed, before they are charged to a watcher.
        this.#options.hold(this.#queryBytes + this.#paidBytes + bytes)
      },
      // Those that the client has removed meanwhile do not matter.
      () => current.flatMap(({ live, query, queryId }) => (this.#queries.get(queryId) === query ? [live] : []))
    )
    if (watched === null) {
      this.#removed = [...removed, ...this.#removed]
      this.#refused = [...refused, ...this.#refused]
      this.#owesTransition ||= owed
      return null
    }
    const { results, ts } = watched
    for (const [i, [queryId, query]] of stale.entries()) {
      const changed = this.#take(queryId, query, results[i]!, caller)
      if (changed !== null) modifications.push(changed)
    }
    const end: Version = { ...requested, ts }
    const moved = requested.querySet !== this.#version.querySet || requested.identity !== this.#version.identity
    if (results.some(({ invalidated }) => invalidated)) this.#options.onInvalidated()
    if (!moved && !owed && modifications.length === 0) return { text: null }
    const versions = `"endVersion":${encodeVersion(end)},"startVersion":${encodeVersion(this.#version)}`
    this.#version = end
    return { text: `{"type":"Transition",${versions},"modifications":[${modifications.join(",")}]}` }
  }

  /** The modification to send for a query; `null` if the client has the current result. */
  #take(queryId: number, query: Query, live: LiveResult, caller: Caller): string | null {
    const { run } = live
    if (query.live !== null && query.live !== live) this.#forget(query)
    query.live = live
    // Meanwhile the query may have been removed, or the identity may have changed.
    if (this.#queries.get(queryId) !== query || this.#caller !== caller) this.#forget(query)
    if (this.#queries.get(queryId) !== query) return null
    query.journal = run.journal
    const result = describeOutcome(run)
    const isSent = result.comparable === query.sent
    // Even if equal: keeping the old string would hold the text twice in memory.
    query.sent = result.comparable
    if (isSent) return null
    const { journal: reached, logLines } = run
    return `{"queryId":${queryId},"logLines":${JSON.stringify(logLines)},"journal":${JSON.stringify(reached)},${result.fields}}`
  }
}
