/** Whole parts of turns that have ended. They do not change, so each is read once. */
import { type Client, TurnView, type Turn } from "@opencode-worker/client"
import type { Store } from "./storage.ts"

export class PartCache {
  readonly #client: Client
  readonly #store: Store<unknown>
  readonly #parts = new Map<string, TurnView.Block>()
  readonly #reading = new Map<string, Promise<TurnView.Block | null>>()

  constructor(client: Client, store: Store<unknown>) {
    this.#client = client
    this.#store = store
  }

  /** `block2`: the shape of a stored block. */
  readonly #keyOf = ({ turnId, version }: Turn, index: number) => `block2:${turnId}:${version ?? ""}:${index}`

  /** The part, if it was read before. */
  known(turn: Turn, index: number): TurnView.Block | undefined {
    return this.#parts.get(this.#keyOf(turn, index))
  }

  /** Null if there is no such part. */
  read(turn: Turn, index: number): Promise<TurnView.Block | null> {
    const key = this.#keyOf(turn, index)
    const reading = this.#reading.get(key) ?? this.#load(turn, index, key)
    this.#reading.set(key, reading)
    return reading.finally(() => this.#reading.delete(key))
  }

  async #load({ turnId }: Turn, index: number, key: string): Promise<TurnView.Block | null> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same key stored it
    const copy = (await this.#store.get(key).catch(() => undefined)) as TurnView.Block | undefined
    const part = copy === undefined ? await this.#client.turns.part(turnId, index) : null
    const block = copy ?? (part && TurnView.partBlock(part))
    if (block === null) return null
    this.#parts.set(key, block)
    if (copy === undefined) await this.#store.set(key, block).catch(() => undefined)
    return block
  }
}
