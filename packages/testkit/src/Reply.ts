/** Replies of the scripted model, as data: built by the functions below, sent by `ScriptedProvider`. */
import { Data, Duration, Effect } from "effect"

/** One step of a streamed reply. The steps are played in order on one connection. */
export type Step = Data.TaggedEnum<{
  Text: Said
  Reasoning: Said
  /** Default: a unique id. */
  ToolCall: { readonly name: string; readonly args: Readonly<Record<string, unknown>>; readonly id?: string }
  Wait: { readonly until: Effect.Effect<unknown> }
  Drop: {}
  Hang: {}
}>

interface Said {
  readonly pieces: ReadonlyArray<string>
  /** Time before each piece but the first. */
  readonly every: Duration.Duration
}

/** Constructors and matcher of `Step`. */
export const Step = Data.taggedEnum<Step>()

/** Tokens, as the provider bills them. */
export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** A reply that streams, step by step. Without `usage` it is estimated (four characters a token). */
export interface Streamed {
  readonly steps: ReadonlyArray<Step>
  readonly usage?: Usage
  /** Default: `tool_calls` if there is a tool call, else `stop`. */
  readonly finish?: string
}

/** A reply that is an HTTP error. */
export interface Status {
  readonly status: number
  readonly retryAfter?: Duration.Duration
  readonly message: string
}

export type Reply = Streamed | Status

export interface StreamOptions {
  /** Number of pieces that the text is sent in. Default: one a word. */
  readonly chunks?: number
  /** Time before each piece but the first. Default: none. */
  readonly every?: Duration.Input
}

const streamed = (...steps: ReadonlyArray<Step>): Streamed => ({ steps })

/**
 * Cuts `text` into at most `count` non-empty pieces of nearly equal length, never within a character.
 * Joined, they equal `text`.
 */
export const pieces = (text: string, count?: number): ReadonlyArray<string> => {
  if (count === undefined) return text.match(/\s*\S+\s*$|\s*\S+|\s+/gu) ?? []
  const characters = Array.from(text)
  const parts = Math.max(1, Math.min(Math.trunc(count), characters.length))
  const at = (index: number) => Math.floor((index * characters.length) / parts)
  return Array.from({ length: parts }, (_, index) => characters.slice(at(index), at(index + 1)).join("")).filter(
    (piece) => piece !== ""
  )
}

const said = (content: string, options: StreamOptions = {}): Said => ({
  pieces: pieces(content, options.chunks),
  every: Duration.fromInputUnsafe(options.every ?? 0)
})

/** The model answers `content`. */
export const text = (content: string, options?: StreamOptions): Streamed => streamed(Step.Text(said(content, options)))

/** The model reasons `content` (`reasoning_content`), which OpenCode stores as a reasoning part. */
export const reasoning = (content: string, options?: StreamOptions): Streamed =>
  streamed(Step.Reasoning(said(content, options)))

/**
 * The model calls a tool. OpenCode runs the tool and requests the model again with the result, so the script must reply to
 * that request too (see `ChatRequest.toolResults`).
 */
export const toolCall = (name: string, args: Readonly<Record<string, unknown>>, id?: string): Streamed =>
  streamed(Step.ToolCall(id === undefined ? { name, args } : { name, args, id }))

/** Several replies in one, in order. */
export const sequence = (replies: ReadonlyArray<Streamed>): Streamed =>
  replies.reduce((all, reply) => ({ ...all, ...reply, steps: [...all.steps, ...reply.steps] }), streamed())

/** An HTTP error instead of a reply. OpenCode fails immediately on 400, 401 and 403, and retries 408, 429 and 5xx. */
export const status = (
  code: number,
  options?: { readonly retryAfter?: Duration.Input; readonly message?: string }
): Status => ({
  status: code,
  message: options?.message ?? `Scripted status ${code}`,
  ...(options?.retryAfter === undefined ? {} : { retryAfter: Duration.fromInputUnsafe(options.retryAfter) })
})

/**
 * Sends `afterChunks` words of text, then destroys the socket. To lose the connection after a text of your own:
 * `Reply.sequence([Reply.text("..."), Reply.drop(0)])`.
 */
export const drop = (afterChunks: number): Streamed =>
  streamed(Step.Text(said("lost ".repeat(afterChunks), { chunks: afterChunks })), Step.Drop())

/**
 * Sends nothing more and keeps the connection open until the client disconnects. Alone, it sends no headers. At the end of a
 * `sequence`, the steps before it are sent.
 */
export const hang: Streamed = streamed(Step.Hang())

/** Continues when `until` is done. Holds a stream at a chosen point without a sleep. */
export const wait = (until: Effect.Effect<unknown> | PromiseLike<unknown>): Streamed =>
  streamed(Step.Wait({ until: Effect.isEffect(until) ? until : Effect.promise(() => until) }))

/** The same reply with these token counts. */
export const withUsage = (reply: Streamed, usage: Usage): Streamed => ({ ...reply, usage })

/** The same reply with another `finish_reason`, for example `length` or `content_filter`. */
export const withFinish = (reply: Streamed, finish: string): Streamed => ({ ...reply, finish })
