/**
 * Prompts on their way to the deployment. A prompt is stored here before it is sent and removed after the deployment has
 * stored it, so neither a reload nor a lost connection loses it.
 *
 * Invariants
 * - The idempotency key is made with the first character of a draft and stays with it: a prompt that is sent twice, by two
 *   taps, by a reload or by a retry, is one turn.
 * - Prompts of a session are sent one after another, in their order.
 */
import { type Client, isClientError, type SessionId, type TurnId } from "@opencode-worker/client"
import type { Store } from "./storage.ts"

export interface OutboxItem {
  /** The idempotency key. */
  readonly key: string
  readonly sessionId: SessionId
  readonly text: string
  readonly delivery: "queue" | "steer"
  /** A command of OpenCode instead of a prompt; `text` shows it. */
  readonly command?: { readonly name: string; readonly args: string }
  readonly model?: string
  readonly variant?: string
  readonly agent?: string
  readonly files: ReadonlyArray<File>
  readonly createdAt: number
  /** `waiting`: for its turn or for the connection. `sent`: until the turn is shown. `refused`: with the reason. */
  readonly state: "waiting" | "sent" | "refused"
  readonly turnId?: TurnId
  readonly error?: string
}

export type Draft = Pick<OutboxItem, "sessionId" | "text" | "delivery" | "files" | "key"> &
  Partial<Pick<OutboxItem, "command" | "model" | "variant" | "agent">>

/** The next item of each session that has none refused or in flight before it. Pure. */
export const sendable = (items: ReadonlyArray<OutboxItem>): ReadonlyArray<OutboxItem> => {
  const blocked = new Set<string>()
  return items.filter(({ sessionId, state }) => {
    if (state === "sent" || blocked.has(sessionId)) return false
    blocked.add(sessionId)
    return state === "waiting"
  })
}

/** Whether a later attempt may succeed. The deployment refuses for good with a code; `RateLimited` passes. */
const isTransient = (error: unknown): boolean => {
  if (!isClientError(error)) return true
  const { reason } = error
  if (reason._tag === "Rejected") return reason.code === "RateLimited"
  return reason._tag === "Unreachable" || reason._tag === "Timeout" || reason._tag === "Closed"
}

/** Milliseconds. */
const retryDelay = 15_000

type Send = (item: OutboxItem) => Promise<TurnId>

/** Sends an item through a client. Files are uploaded again after a failure; an upload that no prompt uses is deleted. */
export const sendWith =
  (client: Pick<Client, "files" | "turns">): Send =>
  async ({ agent, command, delivery, files, key, model, sessionId, text, variant }) => {
    const uploaded = []
    for (const file of files) uploaded.push(await client.files.upload(file))
    const options = {
      idempotencyKey: key,
      ...(model !== undefined && { model }),
      ...(variant !== undefined && { variant }),
      ...(agent !== undefined && { agent }),
      ...(uploaded.length > 0 && { files: uploaded })
    }
    return command === undefined
      ? client.turns.send(sessionId, text, { ...options, delivery })
      : client.turns.command(sessionId, command.name, command.args, options)
  }

export class Outbox {
  readonly #store: Store<OutboxItem>
  readonly #send: Send
  readonly #now: () => number
  readonly #listeners = new Set<() => void>()
  readonly #sending = new Set<string>()
  #items: ReadonlyArray<OutboxItem> = []

  constructor(store: Store<OutboxItem>, send: Send, now: () => number = Date.now) {
    this.#store = store
    this.#send = send
    this.#now = now
  }

  /** In the order in which they were added. */
  get items(): ReadonlyArray<OutboxItem> {
    return this.#items
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads the items of an earlier page, and sends them. */
  async load(): Promise<void> {
    const stored = await this.#store.all()
    const known = new Set(this.#items.map(({ key }) => key))
    const earlier = stored.filter(({ key, state }) => !known.has(key) && state !== "sent")
    this.#show([...earlier, ...this.#items].toSorted((a, b) => a.createdAt - b.createdAt))
    this.flush()
  }

  /** Adding a draft that was added before has no effect. */
  async add(draft: Draft): Promise<void> {
    if (this.#items.some(({ key }) => key === draft.key)) return
    const item: OutboxItem = { ...draft, createdAt: this.#now(), state: "waiting" }
    this.#show([...this.#items, item])
    await this.#store.set(item.key, item)
    this.flush()
  }

  /** Sends what waits: call it when the connection is back. */
  flush(): void {
    for (const item of sendable(this.#items)) {
      if (!this.#sending.has(item.sessionId)) void this.#deliver(item)
    }
  }

  /** Tries a refused item again. */
  retry(key: string): void {
    this.#change(key, (item) => ({ ...item, state: "waiting" }))
    this.flush()
  }

  async remove(key: string): Promise<void> {
    this.#show(this.#items.filter((item) => item.key !== key))
    await this.#store.remove(key)
    this.flush()
  }

  /** Removes the sent items whose turns are shown. */
  seen(turnIds: ReadonlySet<string>): void {
    const rest = this.#items.filter(({ turnId }) => turnId === undefined || !turnIds.has(turnId))
    if (rest.length !== this.#items.length) this.#show(rest)
  }

  async #deliver(item: OutboxItem): Promise<void> {
    this.#sending.add(item.sessionId)
    try {
      const turnId = await this.#send(item)
      this.#change(item.key, (before) => ({ ...before, state: "sent", turnId }))
      await this.#store.remove(item.key)
    } catch (error) {
      // Without a connection the next `flush` is earlier.
      if (isTransient(error)) {
        setTimeout(() => this.flush(), retryDelay)
        return
      }
      const message = isClientError(error) ? error.reason.message : String(error)
      this.#change(item.key, (before) => ({ ...before, state: "refused", error: message }))
      const refused = this.#items.find(({ key }) => key === item.key)
      if (refused !== undefined) await this.#store.set(item.key, refused)
      return
    } finally {
      this.#sending.delete(item.sessionId)
    }
    this.flush()
  }

  #change(key: string, change: (item: OutboxItem) => OutboxItem): void {
    this.#show(this.#items.map((item) => (item.key === key ? change(item) : item)))
  }

  #show(items: ReadonlyArray<OutboxItem>): void {
    this.#items = items
    for (const listener of this.#listeners) listener()
  }
}
