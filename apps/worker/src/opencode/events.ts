/** Events of an OpenCode turn as events of an `Agent`. */
import type { AgentEvent } from "@opencode-worker/convex-sync"
import { answeredBy, OpenCodeHost, type TurnEvent } from "@opencode-worker/opencode-host"
import { Effect, type FileSystem, Option } from "effect"
import * as ToolPreview from "../terminal/ToolPreview.ts"
import type { OpenSession } from "./conversation.ts"
import { finalParts } from "./finalParts.ts"
import { compactionNotice, deliveryNotice, retryNotice } from "./notices.ts"
import { toAgentRequest } from "./request.ts"

type Ended = Extract<TurnEvent, { readonly _tag: "Ended" }>

/** The first turn after OpenCode has lost a session reports this once. */
const toEnded = (session: OpenSession, { error, messages, outcome, takenOver, usage }: Ended): AgentEvent => {
  const notices = Option.toArray(session.lossNotice)
  session.lossNotice = Option.none()
  const completed = outcome === "completed"
  return {
    _tag: "Ended",
    outcome,
    error,
    usage,
    answeredBy: answeredBy(messages),
    announcesLoss: notices.length > 0,
    parts: (streamed) => finalParts(messages, { notices, streamed, completed, takenOver })
  }
}

/** Empty for events that operators do not see. */
export const toAgentEvents = (
  session: OpenSession,
  event: TurnEvent
): Effect.Effect<ReadonlyArray<AgentEvent>, never, FileSystem.FileSystem | OpenCodeHost> => {
  switch (event._tag) {
    case "Delivered":
    case "RequestClosed":
      return Effect.succeed([event])
    case "DeliveryRetried":
      return Effect.succeed([deliveryNotice(event.message)])
    case "TextDelta":
      return Effect.succeed([{ ...event, text: event.delta }])
    case "ToolUpdated": {
      const { part } = event
      const preview = Option.toArray(ToolPreview.ofPart(part))
      return Effect.succeed(preview.map((shown) => ({ _tag: "ToolProgress", partId: part.id, ...shown })))
    }
    case "RetryScheduled":
      return Effect.as(Effect.logInfo(`The model's provider failed, OpenCode tries again: ${event.message}`), [
        retryNotice(event)
      ])
    case "Compaction":
      return Effect.succeed([compactionNotice(event)])
    case "RequestOpened":
      return Effect.map(toAgentRequest(event.request), (request) => [{ _tag: "RequestOpened", request }])
    case "Ended":
      return Effect.sync(() => [toEnded(session, event)])
  }
}
