/**
 * Limits of all connections together: their number, and the memory of received, pending and unread messages.
 *
 * Beyond a limit, connections that are not authenticated are dropped first, so that clients with a token can connect. The
 * decisions are pure functions (`shortOfPlaces`, `shortOfBytes`).
 */
import type { Socket } from "node:net"

/** Bytes counted per received chunk, in addition to its content: for its buffer object. */
export const CHUNK_BYTES = 256

/** `idle`: no request is in progress, or a WebSocket has not sent `Connect`. */
export type Standing = "idle" | "anonymous" | "authenticated"

/** Memory of messages and results, or of stored files in transit. */
export type Use = "messages" | "files"

/** The properties of a connection on which decisions depend. */
export interface Candidate {
  readonly standing: Standing
  /** When it reached its standing, in milliseconds of a monotonic clock. */
  readonly since: number
  readonly bytes: Readonly<Record<Use, number>>
}

/** The time for a new connection to authenticate, before older ones are preferred. */
export const GRACE_MILLIS = 10_000

/**
 * The connection to drop for a new one: the one that is idle the longest; then the youngest anonymous one, so that
 * established clients survive a flood; then the oldest within its grace time. `undefined` if all are authenticated.
 */
export const shortOfPlaces = <A extends Candidate>(connections: Iterable<A>, now: number): A | undefined => {
  let [idle, anonymous, fresh]: Array<A | undefined> = []
  for (const each of connections) {
    if (each.standing === "authenticated") continue
    if (now - each.since < GRACE_MILLIS) fresh = fresh === undefined || each.since < fresh.since ? each : fresh
    else if (each.standing === "idle") idle = idle === undefined || each.since < idle.since ? each : idle
    else anonymous = anonymous === undefined || each.since > anonymous.since ? each : anonymous
  }
  return idle ?? anonymous ?? fresh
}

/** The connection to drop for memory: the largest that is not authenticated, otherwise the one that asks. */
export const shortOfBytes = <A extends Candidate>(connections: Iterable<A>, asking: A, use: Use): A => {
  let most: A | undefined
  for (const each of connections) {
    if (each.standing === "authenticated" || each.bytes[use] === 0) continue
    if (most === undefined || each.bytes[use] > most.bytes[use]) most = each
  }
  return most ?? asking
}

export interface ConnectionLimits {
  readonly places: number
  readonly bytes: Readonly<Record<Use, number>>
}

export class Connections {
  readonly #limits: ConnectionLimits
  readonly #all = new Map<Socket, Connection>()
  readonly #used: Record<Use, number> = { files: 0, messages: 0 }

  constructor(given: ConnectionLimits) {
    this.#limits = given
  }

  /** Reserves a place for a new connection. Returns `null` if none is free. */
  admit(socket: Socket): Connection | null {
    if (this.#all.size >= this.#limits.places) {
      const victim = shortOfPlaces(this.#all.values(), performance.now())
      if (victim === undefined) return null
      victim.drop("more connections than the deployment takes")
    }
    const connection = new Connection(socket, {
      dropped: () => this.#all.delete(socket),
      used: (use, change) => this.#use(connection, use, change)
    })
    this.#all.set(socket, connection)
    socket.once("close", () => connection.end())
    return connection
  }

  of(socket: Socket): Connection | undefined {
    return this.#all.get(socket)
  }

  /** Whether this many more bytes fit without dropping a connection. */
  hasRoom(use: Use, bytes: number): boolean {
    return this.#used[use] + bytes <= this.#limits.bytes[use]
  }

  #use(asking: Connection, use: Use, change: number): void {
    this.#used[use] += change
    if (change <= 0) return
    while (this.#used[use] > this.#limits.bytes[use] && !asking.hasEnded) {
      shortOfBytes(this.#all.values(), asking, use).drop("its memory is needed for other clients")
    }
  }
}

interface Owner {
  readonly dropped: () => void
  readonly used: (use: Use, change: number) => void
}

/** One connection, with its standing and memory use. */
export class Connection implements Candidate {
  readonly bytes: Record<Use, number> = { files: 0, messages: 0 }
  readonly #socket: Socket
  readonly #owner: Owner
  #standing: Standing = "idle"
  #since = performance.now()
  #ended = false
  /** Reports the reason to the client in the protocol of the connection, and then destroys the socket. */
  onDrop: (reason: string) => void = () => this.destroy()

  constructor(socket: Socket, owner: Owner) {
    this.#socket = socket
    this.#owner = owner
  }

  get standing(): Standing {
    return this.#standing
  }

  set standing(standing: Standing) {
    if (standing === this.#standing) return
    this.#standing = standing
    this.#since = performance.now()
  }

  get since(): number {
    return this.#since
  }

  get hasEnded(): boolean {
    return this.#ended
  }

  /** Returns a function that sets how many bytes one item occupies; `hold(0)` releases them. */
  holder(use: Use): (bytes: number) => void {
    let held = 0
    return (bytes) => {
      if (this.#ended) return
      const change = bytes - held
      held = bytes
      this.bytes[use] += change
      this.#owner.used(use, change)
    }
  }

  drop(reason: string): void {
    if (this.#ended) return
    this.end()
    this.onDrop(reason)
  }

  /** Releases its place and its memory. Later changes are ignored. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    for (const use of ["files", "messages"] as const) this.#owner.used(use, -this.bytes[use])
    this.#owner.dropped()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
