/**
 * The queries that one client has, and the steps (Transitions) by which it gets their results.
 *
 * Invariants
 * - Every Transition starts at the version at which the one before ended, and all queries in it are at one timestamp.
 * - The client gets a result once, and again only when it differs.
 */
import type { JSONValue } from "convex/values"
import type { Identity } from "./auth.ts"
import { limits } from "./limits.ts"
import { type ClientMessage, encodeVersion, type QueryModification, type Version } from "./protocol.ts"
import { describeOutcome } from "./responses.ts"
import type { LiveResult, Subscriptions, Wanted, Watcher } from "./subscriptions.ts"

interface Query {
  readonly path: string
  /** As JSON, which takes less memory than the value. */
  readonly args: string
  /** Of its arguments, and what it takes beside them and its result. */
  readonly bytes: number
  readonly watcher: Watcher
  journal: string | null
  live: LiveResult | null
  /** The modification that the client has, without its journal. */
  sent: string | null
}

const wantedBy = ({ args, journal, path }: Query, identity: Identity | null): Wanted => ({
  call: () => ({ args: JSON.parse(args) as JSONValue, caller: "client", identity, path }),
  journal,
  key: JSON.stringify([path, args, identity, journal])
})

/** More than one connection may have. */
export class SubscriptionsTooLarge extends Error {
  override readonly name = "SubscriptionsTooLarge"
  constructor() {
    super(`the arguments and results of one connection are more than ${limits.subscriptionBytes} bytes`)
  }
}

interface QuerySetOptions {
  /** Receives that a result is outdated. */
  readonly onOutdated: () => void
  /** Receives how many bytes the queries and their results take. */
  readonly hold: (bytes: number) => void
}

export class QuerySet {
  readonly #subscriptions: Subscriptions
  readonly #options: QuerySetOptions
  readonly #queries = new Map<number, Query>()
  /** Of all queries, without their results. */
  #queryBytes = 0
  /** Of the results that this client, of all that watch them, pays for. */
  #paidBytes = 0
  #disposed = false
  #removed: Array<number> = []
  #identity: Identity | null = null
  /** What the client has, and what it asked for. */
  #version: Version = { identity: 0, querySet: 0, ts: 0n }
  #wanted = { identity: 0, querySet: 0 }
  #owesTransition = false

  constructor(subscriptions: Subscriptions, options: QuerySetOptions) {
    this.#subscriptions = subscriptions
    this.#options = options
  }

  get identity(): Identity | null {
    return this.#identity
  }

  /** How many times the client has said who it is. */
  get identityVersion(): number {
    return this.#wanted.identity
  }

  /** From now on the client is somebody else: all results are to be computed anew. */
  identify(identity: Identity | null): void {
    this.#identity = identity
    this.#wanted.identity++
    for (const query of this.#queries.values()) this.#forget(query)
  }

  /** The client waits for a transition to the time of a commit, whether or not a result of its own changed. */
  oweTransition(): void {
    this.#owesTransition = true
  }

  modify({ baseVersion, modifications, newVersion }: ClientMessage & { type: "ModifyQuerySet" }): void {
    if (baseVersion !== this.#wanted.querySet) throw new Error("baseVersion is not the current query set version")
    for (const modification of modifications) this.#modify(modification)
    if (this.#queries.size > limits.subscriptions) {
      throw new Error(`more than ${limits.subscriptions} queries on one connection`)
    }
    if (this.#queryBytes > limits.subscriptionBytes) throw new SubscriptionsTooLarge()
    this.#wanted.querySet = newVersion
    this.#hold()
  }

  #hold(): void {
    this.#options.hold(this.#queryBytes + this.#paidBytes)
  }

  #modify(modification: QueryModification): void {
    const previous = this.#queries.get(modification.queryId)
    if (modification.type === "Add") {
      if (previous !== undefined) throw new Error(`query ${modification.queryId} was added before`)
      this.#queries.set(modification.queryId, this.#query(modification))
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
    const { onOutdated } = this.#options
    const pay = (more: number) => {
      this.#paidBytes += more
      this.#hold()
    }
    return { args: text, bytes, journal, live: null, path, sent: null, watcher: { onOutdated, pay } }
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

  /** The next step to `ts`, the time of the last commit; nothing may be written meanwhile. `null`: there is nothing to tell. */
  async transition(ts: bigint): Promise<string | null> {
    const [wanted, owed, removed] = [{ ...this.#wanted }, this.#owesTransition, this.#removed]
    const identity = this.#identity
    this.#owesTransition = false
    this.#removed = []
    const modifications = removed.map((queryId) => JSON.stringify({ queryId, type: "QueryRemoved" }))
    // The queries of this version: messages that arrive meanwhile are for the next step.
    const outdated = Array.from(this.#queries).filter(([, { live }]) => live === null || live.outdated)
    const current = Array.from(this.#queries.values()).filter(({ live }) => live !== null && !live.outdated)
    const currentBytes = this.#queryBytes + current.reduce((sum, { live }) => sum + live!.bytes, 0)
    const results = await this.#subscriptions.watch(
      outdated.map(([, query]) => wantedBy(query, identity)),
      outdated.map(([, { watcher }]) => watcher),
      (bytes) => {
        if (this.#disposed) throw new Error("The connection is closed.")
        if (currentBytes + bytes > limits.subscriptionBytes) throw new SubscriptionsTooLarge()
        // They are not paid for yet, and have to be, as long as they are computed.
        this.#options.hold(this.#queryBytes + this.#paidBytes + bytes)
      }
    )
    for (const [i, [queryId, query]] of outdated.entries()) {
      const changed = this.#take(queryId, query, results[i]!, identity)
      if (changed !== null) modifications.push(changed)
    }
    const end: Version = { ...wanted, ts }
    const moved = wanted.querySet !== this.#version.querySet || wanted.identity !== this.#version.identity
    if (!moved && !owed && modifications.length === 0) return null
    const head = JSON.stringify({
      endVersion: encodeVersion(end),
      startVersion: encodeVersion(this.#version),
      type: "Transition"
    })
    this.#version = end
    return `${head.slice(0, -1)},"modifications":[${modifications.join(",")}]}`
  }

  /** The modification that the client needs for a query; `null` when it has the current result. */
  #take(queryId: number, query: Query, live: LiveResult, identity: Identity | null): string | null {
    const { run } = live
    if (query.live !== null && query.live !== live) this.#forget(query)
    query.live = live
    // Meanwhile the query may have been removed, or the client may have become another one.
    if (this.#queries.get(queryId) !== query || this.#identity !== identity) this.#forget(query)
    if (this.#queries.get(queryId) !== query) return null
    query.journal = run.journal
    const result = describeOutcome(run)
    const isSent = result.comparable === query.sent
    // In any case: two equal texts would take twice the memory.
    query.sent = result.comparable
    if (isSent) return null
    const { journal: reached, logLines } = run
    return `{"queryId":${queryId},"logLines":${JSON.stringify(logLines)},"journal":${JSON.stringify(reached)},${result.fields}}`
  }
}
