/** Tool calls that a prompt names, made by the model in the real OpenCode, with each request answered by the test. */
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Redacted, Schema, Stream } from "effect"
import { OpenCodeHost, type OpenCodeRequest, type TurnEvent } from "../../src/index.ts"
import { isPermission, newSession, promptOf } from "../support.ts"

const Call = Schema.fromJsonString(
  Schema.Struct({ tool: Schema.String, args: Schema.Record(Schema.String, Schema.Unknown) })
)
const decodeCall = Schema.decodeUnknownSync(Call)

/** Models that call the tool of the prompt. OpenCode lets those named `gpt` patch files, and others write and edit them. */
export const model = ScriptedProvider.layer(
  ({ lastUserText, toolResults }) => {
    if (toolResults.length > 0) return Reply.text("done")
    const { args, tool } = decodeCall(lastUserText)
    return Reply.toolCall(tool, args)
  },
  { models: ["echo", "gpt-5"] }
)

export interface Attempt {
  readonly tool: string
  readonly args: Readonly<Record<string, unknown>>
  /** To each request, `reject` unless given. */
  readonly answer?: "once" | "reject"
  readonly sessionId?: string
  readonly agent?: string
}

/** The requests that were asked, and how the call ended: its output, or its error. */
export const attempt = Effect.fnUntraced(function* ({ agent, answer = "reject", args, sessionId, tool }: Attempt) {
  const { reply, turn } = yield* OpenCodeHost
  const asked: Array<Extract<OpenCodeRequest, { readonly kind: "permission" }>> = []
  let result = ""
  const prompt = yield* promptOf(sessionId ?? (yield* newSession), JSON.stringify({ tool, args }))
  const name = tool === "apply_patch" ? "scripted/gpt-5" : "scripted/echo"
  yield* turn({ ...prompt, agent, model: name }).pipe(
    Stream.runForEach((event: TurnEvent) => {
      if (event._tag === "ToolUpdated" && event.part.state.status === "completed") result = event.part.state.output
      if (event._tag === "ToolUpdated" && event.part.state.status === "error") result = event.part.state.error
      if (!isPermission(event)) return Effect.void
      asked.push(event.request)
      return reply(event.request, { type: answer })
    })
  )
  return { asked: asked.map(({ permission }) => permission), requests: asked, result }
})

/** A request of another client of the same server. */
export const post = Effect.fnUntraced(function* (path: string, body: unknown) {
  const { directory, server } = yield* OpenCodeHost
  const { password, url } = yield* server
  const at = new URL(path, url)
  at.searchParams.set("directory", directory)
  const authorization = `Basic ${Buffer.from(`opencode:${Redacted.value(password)}`).toString("base64")}`
  return yield* Effect.promise(async () => {
    const headers = { authorization, "content-type": "application/json" }
    const response = await fetch(at, { method: "POST", headers, body: JSON.stringify(body) })
    return { status: response.status, text: await response.text() }
  })
})
