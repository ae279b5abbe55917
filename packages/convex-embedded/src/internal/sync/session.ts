/**
 * One connection of a sync client.
 *
 * Invariants
 * - Messages are handled in order of arrival; mutations run and are answered in that order.
 * - The response to a mutation is followed by a Transition at its timestamp or later: the client waits for it.
 * - At most one Transition is in transit to a client: a slow client receives fewer and larger ones, and delays no other.
 * - Messages of a client with too many pending calls stay unread.
 */
import type { Socket } from "node:net"
import { WebSocket } from "ws"
import { ANONYMOUS, type Caller } from "../values/calls.ts"
import type { VerifyToken } from "../values/identity.ts"
import { admin } from "../access/admin.ts"
import { Backlog } from "./backlog.ts"
import type { Connection } from "../access/connections.ts"
import { failureOf, messageOf } from "../values/errors.ts"
import type { Executor } from "../threads/executor.ts"
import { limits } from "../values/limits.ts"
import { Outbox } from "./outbox.ts"
import { type ClientMessage, decodeClientMessage, encodeTs } from "./protocol.ts"
import { parsedBytes } from "../values/parsed-bytes.ts"
import { QuerySet, SubscriptionsTooLarge } from "./query-set.ts"
import { response, type ResponseType } from "./responses.ts"

/** A client reconnects after 30 s without a message. */
const PING_INTERVAL_MILLIS = 15_000

/** The longest delay of a Node timer. */
const LONGEST_WAIT_MILLIS = 2 ** 31 - 1

/** Close codes of the WebSocket protocol. */
const NORMAL = 1000
const POLICY_VIOLATION = 1008
const TOO_BIG = 1009
const INTERNAL_ERROR = 1011
const TRY_AGAIN_LATER = 1013

const NOT_CONNECTED = `ConnectTimeout: the first message, Connect, did not come within ${limits.connectMillis / 1000} s`

/** The time to send a close frame. Clients that do not read are terminated without one. */
const GOODBYE_MILLIS = 1000
const UNREAD_BYTES = 64 * 1024

export interface SessionOptions {
  readonly socket: WebSocket
  /** The TCP socket of the WebSocket. */
  readonly stream: Socket
  readonly connection: Connection
  readonly executor: Executor
  readonly verifyToken: VerifyToken
  readonly adminKey: string | null
  /** Whether the client understands `TransitionChunk`. */
  readonly isChunked: boolean
}

export class Session {
  readonly #socket: WebSocket
  readonly #outbox: Outbox
  readonly #executor: Executor
  readonly #verifyToken: VerifyToken
  readonly #adminKey: string | null
  readonly #queries: QuerySet
  readonly #connection: Connection
  readonly #backlog: Backlog
  readonly #connectTimer: NodeJS.Timeout
  #sessionId: string | null = null
  #expiry: NodeJS.Timeout | undefined
  #ping: NodeJS.Timeout
  #alive = true
  #inbox: Promise<void> = Promise.resolve()
  #updating = false
  #stale = false

  constructor(options: SessionOptions) {
    this.#socket = options.socket
    const { connection, socket, stream } = options
    this.#connection = connection
    this.#outbox = new Outbox(socket, stream, connection.holder("messages"), options.isChunked)
    this.#backlog = new Backlog(socket, stream, connection)
    this.#executor = options.executor
    this.#verifyToken = options.verifyToken
    this.#adminKey = options.adminKey
    this.#queries = new QuerySet(options.executor.subscriptions, {
      hold: connection.holder("messages"),
      onInvalidated: () => this.#update()
    })
    this.#ping = setInterval(() => this.#keepAlive(), PING_INTERVAL_MILLIS)
    this.#connectTimer = setTimeout(() => this.#close(POLICY_VIOLATION, NOT_CONNECTED), limits.connectMillis)
    connection.onDrop = (reason) => this.#drop(reason)
    options.socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary))
    options.socket.on("pong", () => (this.#alive = true))
    options.socket.on("error", () => options.socket.terminate())
    options.socket.on("close", () => this.#dispose())
  }

  #dispose(): void {
    clearInterval(this.#ping)
    clearTimeout(this.#connectTimer)
    clearTimeout(this.#expiry)
    this.#queries.dispose()
  }

  /** Detects a lost connection by missing pongs. */
  #keepAlive(): void {
    if (!this.#alive) return this.#socket.terminate()
    // A paused socket cannot receive the pong.
    this.#alive = this.#socket.isPaused
    this.#socket.ping()
    void this.#outbox.send('{"type":"Ping"}')
  }

  #receive(data: Buffer, isBinary: boolean): void {
    const bytes = parsedBytes(data)
    if (bytes > limits.parsedBytes) {
      return this.#close(TOO_BIG, `MessageTooLarge: parsed, it takes more than ${limits.parsedBytes} bytes`)
    }
    const release = this.#backlog.take(bytes)
    this.#inbox = this.#inbox
      .then(() => {
        if (this.#socket.readyState !== WebSocket.OPEN) return undefined
        if (isBinary) throw new Error("the message is not text")
        return this.#handle(decodeClientMessage(data.toString("utf8")))
      })
      .then((handled) => void (handled?.call ?? Promise.resolve()).finally(release))
      .catch((cause: unknown) => {
        release()
        this.#close(POLICY_VIOLATION, `InvalidMessage: ${messageOf(cause)}`)
      })
  }

  /** Resolves when the next message may be handled; `call` settles when the call has ended. */
  async #handle(message: ClientMessage): Promise<{ readonly call: Promise<void> } | undefined> {
    if (message.type !== "Connect" && this.#sessionId === null) throw new Error("the first message must be Connect")
    switch (message.type) {
      case "Connect":
        this.#connect(message)
        break
      case "Authenticate":
        await this.#authenticate(message)
        break
      case "ModifyQuerySet":
        this.#queries.modify(message)
        this.#update()
        break
      case "Mutation":
        return { call: this.#mutation(message, this.#sessionId!) }
      case "Action":
        return { call: this.#action(message) }
      case "Event":
    }
    return undefined
  }

  #connect({ maxObservedTimestamp, sessionId }: ClientMessage & { type: "Connect" }): void {
    if (this.#sessionId !== null) throw new Error("Connect was sent before")
    // The client has seen a later timestamp than this deployment has: it would go back in time.
    if (maxObservedTimestamp !== null && maxObservedTimestamp > this.#executor.ts) {
      return this.#close(POLICY_VIOLATION, "The data of this deployment are older than those that the client has seen")
    }
    clearTimeout(this.#connectTimer)
    this.#connection.standing = "anonymous"
    this.#sessionId = sessionId
  }

  async #authenticate(message: ClientMessage & { type: "Authenticate" }): Promise<void> {
    if (message.baseVersion !== this.#queries.identityVersion)
      throw new Error("baseVersion is not the current identity version")
    // The previous identity stays until the new token is verified.
    try {
      const caller = await this.#callerOf(message)
      // The connection may have ended meanwhile: a timer that starts now would keep all of it until the token expires.
      if (this.#socket.readyState !== WebSocket.OPEN) return
      this.#queries.identify(caller)
      this.#connection.standing = caller === ANONYMOUS ? "anonymous" : "authenticated"
      clearTimeout(this.#expiry)
      if (caller.expiresAt !== undefined) this.#expireAt(caller.expiresAt)
    } catch (cause) {
      return this.#authError(messageOf(cause), true)
    }
    this.#update()
  }

  async #callerOf({
    impersonating,
    tokenType,
    value
  }: ClientMessage & { type: "Authenticate" }): Promise<Caller & { readonly expiresAt?: number }> {
    if (tokenType === "None") return ANONYMOUS
    if (tokenType === "Admin") return admin(value, this.#adminKey, impersonating)
    const { expiresAt, identity } = await this.#verifyToken(value)
    return { caller: "client", expiresAt, identity }
  }

  #expireAt(expiresAt: number): void {
    const wait = expiresAt - Date.now()
    this.#expiry = setTimeout(
      () => (wait > LONGEST_WAIT_MILLIS ? this.#expireAt(expiresAt) : this.#authError("Token expired", false)),
      Math.min(wait, LONGEST_WAIT_MILLIS)
    )
  }

  #authError(error: string, authUpdateAttempted: boolean): void {
    const baseVersion = this.#queries.identityVersion - (authUpdateAttempted ? 0 : 1)
    void this.#outbox.send(JSON.stringify({ authUpdateAttempted, baseVersion, error, type: "AuthError" }))
    this.#close(NORMAL, "AuthError")
  }

  async #mutation(
    { args, requestId, udfPath: path }: ClientMessage & { type: "Mutation" | "Action" },
    sessionId: string
  ): Promise<void> {
    try {
      const { caller, identity } = this.#queries.caller
      const call = { args, caller, identity, path }
      const run = await this.#executor.mutation(call, { requestId, sessionId })
      void this.#outbox.send(response("MutationResponse", requestId, run, { ts: encodeTs(run.ts) }))
      if ("failure" in run.outcome) return
      this.#queries.oweTransition()
      this.#update()
    } catch (cause) {
      this.#refuse("MutationResponse", requestId, cause)
    }
  }

  async #action({ args, requestId, udfPath: path }: ClientMessage & { type: "Mutation" | "Action" }): Promise<void> {
    try {
      const { caller, identity } = this.#queries.caller
      const run = await this.#executor.action({ args, caller, identity, path })
      void this.#outbox.send(response("ActionResponse", requestId, run, {}))
    } catch (cause) {
      this.#refuse("ActionResponse", requestId, cause)
    }
  }

  /** Reports a failure of the deployment itself. */
  #refuse(type: ResponseType, requestId: number, cause: unknown): void {
    void this.#outbox.send(response(type, requestId, { logLines: [], outcome: { failure: failureOf(cause) } }, {}))
  }

  /** Sends transitions until the client is up to date. */
  #update(): void {
    this.#stale = true
    if (this.#updating) return
    this.#updating = true
    const run = async () => {
      try {
        while (this.#stale && this.#socket.readyState === WebSocket.OPEN) {
          this.#stale = false
          const { text } = await this.#executor.transition(this.#queries.stalePaths, (watch) =>
            this.#queries.transition(watch)
          )
          if (text !== null) await this.#outbox.sendTransition(text)
        }
      } finally {
        this.#updating = false
      }
    }
    run().catch((cause: unknown) => {
      if (cause instanceof SubscriptionsTooLarge) this.#close(POLICY_VIOLATION, `${cause.name}: ${cause.message}`)
      else this.#close(INTERNAL_ERROR, "InternalServerError")
    })
  }

  /** Closes the connection for its place or memory. On this reason clients wait some seconds before they reconnect. */
  #drop(reason: string): void {
    this.#dispose()
    if (this.#socket.bufferedAmount > UNREAD_BYTES) return this.#socket.terminate()
    this.#close(TRY_AGAIN_LATER, `TooManyConcurrentRequests: ${reason}`)
    setTimeout(() => this.#socket.terminate(), GOODBYE_MILLIS).unref()
  }

  /** A close reason may have 123 bytes, so it is cut as ASCII. */
  #close(code: number, reason: string): void {
    this.#socket.close(code, reason.replaceAll(/[^ -~]/g, "?").slice(0, 120))
  }
}
