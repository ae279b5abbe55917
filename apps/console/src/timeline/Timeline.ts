/**
 * The timeline of a session, outside React: streamed text changes a row and wakes only the component that shows it, at most
 * once per frame. It reads the newest turns first, and earlier ones when they are asked for.
 *
 * ```
 *   turns.watch ──▶ the newest turns ──┐
 *   turns.list, turns.outline ─────────┼──▶ contents ──frame──▶ keys (the list) and rows (its leaves)
 *   turns.follow of the running turns ─┘
 * ```
 */
import { type Client, type OutlineEntry, type SessionId, type Turn } from "@opencode-worker/client"
import type { OutboxItem } from "../data/Outbox.ts"
import { promptKey, type Row, type TimelineState, runs, turnRows, type TurnContent, whole } from "./rows.ts"
import type { TimelineCopies } from "./copies.ts"
import { newestFirst, withEarlier } from "./outline.ts"
import { RowStore } from "./RowStore.ts"

interface Loaded {
  content: TurnContent
  rows: ReadonlyArray<Row>
  /** Reads earlier entries. */
  outline: AsyncIterator<OutlineEntry> | null
  follow: AbortController | null
}

/** Rows that are read at the start, and at least with each earlier page. */
const pageRows = 60
/** Pages that are read to reach a turn. */
const mostReads = 200

export interface TimelineOptions {
  /** Runs a function before the next frame is drawn. */
  readonly frame?: (run: () => void) => void
  /** Shown until the deployment responds. */
  readonly copies?: TimelineCopies
}

const nextFrame = (run: () => void) => void requestAnimationFrame(run)

export class Timeline {
  readonly #client: Client
  readonly #sessionId: SessionId
  readonly #frame: (run: () => void) => void
  readonly #listeners = new Set<() => void>()
  readonly #copies: TimelineCopies | undefined
  readonly #store = new RowStore()
  /** The content of which the rows of a turn were made. */
  readonly #shown = new WeakMap<Loaded, TurnContent>()
  readonly #stop = new AbortController()
  readonly #turns = new Map<string, Loaded>()
  /** In their order. */
  #order: ReadonlyArray<string> = []
  #older: AsyncIterator<Turn> | null = null
  #outbox: ReadonlyArray<OutboxItem> = []
  #isScheduled = false
  #isReading: Promise<void> | null = null
  #state: TimelineState = { keys: [], isLoaded: false, hasMore: true, error: undefined }

  constructor(client: Client, sessionId: SessionId, { copies, frame = nextFrame }: TimelineOptions = {}) {
    this.#client = client
    this.#sessionId = sessionId
    this.#frame = frame
    this.#copies = copies
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The keys of the rows: it changes when rows are added or removed, not when they grow. */
  readonly state = (): TimelineState => this.#state

  readonly row = this.#store.get
  readonly subscribeRow = this.#store.subscribe

  /** Follows the session until `close`. */
  open(): void {
    void this.#restore()
    void this.#watch()
  }

  close(): void {
    this.#stop.abort()
  }

  /** Shows the prompts that are on their way. */
  setOutbox(items: ReadonlyArray<OutboxItem>): void {
    this.#outbox = items
    this.#schedule()
  }

  get turnIds(): ReadonlySet<string> {
    return new Set(this.#order)
  }

  /** Adds earlier rows. Calls during a read have no effect. */
  loadOlder(): Promise<void> {
    this.#isReading ??= this.#readOlder()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#isReading = null
      })
    return this.#isReading
  }

  /** Adds earlier rows until those of a turn are there. Returns the key of its first row; null if it is too far or gone. */
  async reach(turnId: string): Promise<string | null> {
    const isThere = () => this.#turns.get(turnId)?.content.isComplete === true
    for (let read = 0; read < mostReads && !isThere() && this.#state.hasMore; read += 1) await this.loadOlder()
    await new Promise<void>((resolve) => this.#frame(resolve))
    return isThere() ? promptKey(turnId) : null
  }

  async #restore(): Promise<void> {
    const contents = (await this.#copies?.restore(this.#sessionId)) ?? []
    if (this.#order.length > 0 || this.#stop.signal.aborted) return
    for (const content of contents) {
      this.#turns.set(content.turn.turnId, { content, rows: [], outline: null, follow: null })
    }
    this.#sort()
    this.#schedule()
  }

  async #watch(): Promise<void> {
    try {
      for await (const turns of this.#client.turns.watch(this.#sessionId, { signal: this.#stop.signal })) {
        await this.#update(turns)
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  async #update(turns: ReadonlyArray<Turn>): Promise<void> {
    const last = this.#turns.get(this.#order.at(-1) ?? "")?.content.turn.seq
    const isGap = last !== undefined && turns.length > 1 && turns.every(({ seq }) => seq > last)
    if (isGap && turns.length >= 20) this.#reset()
    const present = new Set<string>(turns.map(({ turnId }) => turnId))
    const from = turns[0]?.seq ?? Number.POSITIVE_INFINITY
    for (const [turnId, { content, follow }] of this.#turns) {
      // A queued prompt was dropped.
      if (content.turn.seq < from || present.has(turnId)) continue
      follow?.abort()
      this.#turns.delete(turnId)
    }
    const isFirst = !this.#state.isLoaded
    const ended: Array<Promise<void>> = []
    for (const turn of turns) {
      const known = this.#turns.get(turn.turnId)
      if (known !== undefined) this.#setTurn(known, turn)
      else if (!isFirst || turn.version === null) ended.push(this.#add(turn))
    }
    this.#sort()
    await Promise.all(ended)
    if (isFirst) {
      this.#older = newestFirst(this.#client, this.#sessionId, turns, this.#stop.signal)
      await this.loadOlder()
      this.#state = { ...this.#state, isLoaded: true }
    }
    this.#copies?.keepTurns(this.#sessionId, turns)
    this.#notify()
    this.#schedule()
  }

  #reset(): void {
    for (const { follow } of this.#turns.values()) follow?.abort()
    this.#turns.clear()
    this.#order = []
    this.#state = { ...this.#state, isLoaded: false, hasMore: true }
  }

  #setTurn(loaded: Loaded, turn: Turn): void {
    const { content } = loaded
    if (JSON.stringify(content.turn) === JSON.stringify(turn)) return
    loaded.content = { ...content, turn }
    if (runs(turn) && loaded.follow === null) this.#follow(loaded)
    // It ended, was undone or was sent again: the blocks of its view stay if it was followed to its end.
    if (turn.version !== null && content.turn.version !== turn.version && loaded.follow === null)
      void this.#readAll(loaded)
  }

  /** Adds a turn that appeared while the timeline is shown. */
  async #add(turn: Turn): Promise<void> {
    const loaded: Loaded = { content: { turn, view: null, ...whole }, rows: [], outline: null, follow: null }
    this.#turns.set(turn.turnId, loaded)
    if (runs(turn)) this.#follow(loaded)
    else if (turn.version !== null) await this.#readAll(loaded)
  }

  async #readAll(loaded: Loaded): Promise<void> {
    const entries: Array<OutlineEntry> = []
    const { turnId } = loaded.content.turn
    try {
      const { signal } = this.#stop
      for await (const entry of this.#client.turns.outline(turnId, { signal })) entries.push(entry)
      loaded.content = { ...loaded.content, view: null, entries, isComplete: true }
      this.#copies?.keepOutline(loaded.content)
      this.#schedule()
    } catch (error) {
      this.#fail(error)
    }
  }

  #follow(loaded: Loaded): void {
    const stop = new AbortController()
    loaded.follow = stop
    const { turnId } = loaded.content.turn
    const run = async () => {
      try {
        const signal = AbortSignal.any([stop.signal, this.#stop.signal])
        for await (const view of this.#client.turns.follow(turnId, { signal })) {
          loaded.content = { ...loaded.content, view }
          this.#schedule()
        }
      } catch (error) {
        if (!stop.signal.aborted) this.#fail(error)
      }
    }
    void run()
  }

  async #readOlder(): Promise<void> {
    const shown = this.#store.keys.length
    let added = 0
    while (added < pageRows && !this.#stop.signal.aborted) {
      const first = this.#order
        .map((turnId) => this.#turns.get(turnId))
        .findLast((loaded) => loaded?.content.isComplete === false)
      if (first !== undefined) {
        const before = first.content.entries.length
        first.content = await withEarlier(first.content, first.outline)
        this.#copies?.keepOutline(first.content)
        added += first.content.entries.length - before
        continue
      }
      const { done, value: turn } = (await this.#older?.next()) ?? { done: true, value: undefined }
      if (done === true || turn === undefined) {
        this.#state = { ...this.#state, hasMore: false }
        this.#notify()
        break
      }
      if (this.#turns.has(turn.turnId)) continue
      const isRead = turn.parts === 0
      const outline = isRead
        ? null
        : this.#client.turns.outline(turn.turnId, { order: "desc", signal: this.#stop.signal })[Symbol.asyncIterator]()
      const content = { turn, view: null, entries: [], isComplete: isRead }
      this.#turns.set(turn.turnId, { content, rows: [], outline, follow: null })
      this.#sort()
      added += 2
    }
    if (added > 0 || shown === 0) this.#schedule()
  }

  #sort(): void {
    const seqOf = (turnId: string) => this.#turns.get(turnId)?.content.turn.seq ?? 0
    this.#order = [...this.#turns.keys()].toSorted((a, b) => seqOf(a) - seqOf(b))
  }

  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return
    this.#state = { ...this.#state, error }
    this.#notify()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#frame(() => {
      this.#isScheduled = false
      if (!this.#stop.signal.aborted) this.#flush()
    })
  }

  *#groups(): Generator<ReadonlyArray<Row>> {
    for (const turnId of this.#order) {
      const loaded = this.#turns.get(turnId)
      if (loaded === undefined) continue
      if (this.#shown.get(loaded) !== loaded.content) {
        this.#shown.set(loaded, loaded.content)
        loaded.rows = this.#store.reuse(turnRows(loaded.content))
      }
      yield loaded.rows
    }
    const sending = this.#outbox.filter(({ turnId }) => turnId === undefined || !this.#turns.has(turnId))
    yield this.#store.reuse(sending.map((item) => ({ kind: "sending", key: `sending:${item.key}`, item })))
  }

  #flush(): void {
    if (!this.#store.replace(this.#groups())) return
    this.#state = { ...this.#state, keys: this.#store.keys }
    this.#notify()
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }
}
