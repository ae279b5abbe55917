/** A chat-completions request as a script receives it. */
import { Schema } from "effect"

const Part = Schema.Struct({
  type: Schema.String,
  text: Schema.optionalKey(Schema.String),
  image_url: Schema.optionalKey(Schema.Struct({ url: Schema.String }))
})

const Message = Schema.Struct({
  role: Schema.String,
  content: Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.String, Schema.Array(Part)]))),
  tool_call_id: Schema.optionalKey(Schema.String),
  tool_calls: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        id: Schema.String,
        function: Schema.Struct({ name: Schema.String, arguments: Schema.String })
      })
    )
  )
})

const Body = Schema.fromJsonString(
  Schema.Struct({
    model: Schema.String,
    stream: Schema.optionalKey(Schema.Boolean),
    messages: Schema.Array(Message),
    tools: Schema.optionalKey(Schema.Array(Schema.Struct({ function: Schema.Struct({ name: Schema.String }) })))
  })
)

/** Decodes a request body. Fields that the provider does not use are ignored. */
export const decodeBody = Schema.decodeUnknownEffect(Body)

export interface ChatMessage {
  readonly role: string
  /** All text parts, joined by line feeds. */
  readonly text: string
}

/** The result of a tool call that this model made. */
export interface ToolResult {
  readonly callId: string
  readonly name: string
  /** The arguments as the model sent them (JSON). */
  readonly args: string
  readonly output: string
}

export interface ChatRequest {
  /** OpenCode requests a title once for a session without one. Title requests are counted separately. */
  readonly kind: "chat" | "title"
  /** 1 for the first request of this kind at this provider. */
  readonly ordinal: number
  readonly model: string
  readonly stream: boolean
  readonly messages: ReadonlyArray<ChatMessage>
  /** The texts of the user messages, oldest first. */
  readonly prompts: ReadonlyArray<string>
  /** The newest of `prompts`, `""` when there is none. */
  readonly lastUserText: string
  /** The images of all messages as `data:` URLs, oldest first. */
  readonly images: ReadonlyArray<string>
  /** Results of the tool calls made since the newest user message, oldest first. */
  readonly toolResults: ReadonlyArray<ToolResult>
  /** Names of the tools that the model may call. */
  readonly toolNames: ReadonlyArray<string>
}

const textOf = ({ content }: typeof Message.Type): string =>
  typeof content === "string"
    ? content
    : (content ?? []).flatMap((part) => (part.text === undefined ? [] : [part.text])).join("\n")

const imagesOf = ({ content }: typeof Message.Type): ReadonlyArray<string> =>
  typeof content === "string" ? [] : (content ?? []).flatMap(({ image_url }) => image_url?.url ?? [])

/** OpenCode's title agent names titles in its system prompt and offers no tools. */
const isTitle = (body: typeof Body.Type): boolean =>
  (body.tools ?? []).length === 0 &&
  body.messages.some((message) => message.role === "system" && /title generator/i.test(textOf(message)))

/** The request without its ordinal, which the provider adds. */
export const fromBody = (body: typeof Body.Type): Omit<ChatRequest, "ordinal"> => {
  const prompts = body.messages.filter((message) => message.role === "user").map(textOf)
  const turn = body.messages.slice(body.messages.findLastIndex(({ role }) => role === "user") + 1)
  const calls = new Map(turn.flatMap(({ tool_calls }) => tool_calls ?? []).map((call) => [call.id, call.function]))
  return {
    kind: isTitle(body) ? "title" : "chat",
    model: body.model,
    stream: body.stream ?? false,
    messages: body.messages.map((message) => ({ role: message.role, text: textOf(message) })),
    prompts,
    lastUserText: prompts.at(-1) ?? "",
    images: body.messages.flatMap(imagesOf),
    toolResults: turn
      .filter(({ role }) => role === "tool")
      .map((message) => {
        const callId = message.tool_call_id ?? ""
        const call = calls.get(callId)
        return {
          callId,
          name: call?.name ?? "",
          args: call?.arguments ?? "",
          output: textOf(message)
        }
      }),
    toolNames: (body.tools ?? []).map((tool) => tool.function.name)
  }
}
