/** References to the operator functions of convex-backend, and the types of their rows. Loads only `convex/server`. */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { anyApi, type FunctionArgs, type FunctionReturnType } from "convex/server"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `anyApi` creates any reference; the backend defines which exist
export const api = anyApi as unknown as typeof backendApi

type Page<F extends { readonly _returnType: { readonly page: ReadonlyArray<unknown> } }> =
  F["_returnType"]["page"][number]

export type { ChangedFile, QueryResults, SubAgentTurn } from "@opencode-worker/convex-backend/api"

export type WorkerId = Id<"workers">
export type SessionId = Id<"sessions">
export type TurnId = Id<"turns">
export type RequestId = Id<"requests">
export type CommandId = Id<"commands">
export type InboxItemId = Id<"inbox">
export type ApprovalId = Id<"approvals">
/** The id of a stored file. */
export type FileId = Id<"_storage">
export type NotifyTargetId = Id<"notifyTargets">

export type DeviceId = Id<"devices">

/** A device in the operator's list. */
export type OperatorDevice = FunctionReturnType<typeof backendApi.devices.list>[number]
export type DeviceScope = OperatorDevice["scope"]
export type DeviceCode = FunctionReturnType<typeof backendApi.devices.add>
export type Worker = FunctionReturnType<typeof backendApi.workers.list>[number]
export type AuditEntry = Page<typeof backendApi.workers.audit>
export type PairingPreview = FunctionReturnType<typeof backendApi.pairing.preview>
export type Session = Page<typeof backendApi.sessions.list>
/** A session with its todos, the use of its context and its queue. */
export type SessionDetails = NonNullable<FunctionReturnType<typeof backendApi.sessions.get>>
/** A prompt, and how it ended. */
export type Turn = Page<typeof backendApi.turns.list>
/** A prompt that waits. */
export type QueuedPrompt = FunctionReturnType<typeof backendApi.promptQueue.list>[number]
/** A final part of a turn: `payload` is JSON, OpenCode's own part or `{ text }` for a notice. */
export type FinalPart = Page<typeof backendApi.turns.parts>
/** A final part in the outline of its turn: at most 300 bytes. */
export type OutlineEntry = Page<typeof backendApi.turns.outline>
/** A file of a prompt or of an agent. `url` is null if it is no longer stored. */
export type TurnFile = FunctionReturnType<typeof backendApi.files.list>[number]
/** The status of a turn and its deltas after a cursor. */
export type LiveTurn = FunctionReturnType<typeof backendApi.turns.live>
export type Segment = LiveTurn["deltas"][number]["segments"][number]
/** A permission or a question that waits for an operator. */
export type PendingRequest = FunctionReturnType<typeof backendApi.requests.pending>[number]
/** A request with its whole content. */
export type OpenRequest = FunctionReturnType<typeof backendApi.requests.get>
export type Answer = FunctionArgs<typeof backendApi.requests.answer>["answer"]
/** A permission that is allowed for later requests of the same scope. */
export type Approval = Page<typeof backendApi.approvals.list>
/** The agents, commands and skills of a worker's directory. */
export type Catalog = NonNullable<FunctionReturnType<typeof backendApi.catalog.get>>
/** The files that a turn changed, with a unified patch. */
export type Changes = NonNullable<FunctionReturnType<typeof backendApi.changes.get>>
/** A request, the result of a session, or a worker that is gone. */
export type InboxItem = FunctionReturnType<typeof backendApi.inbox.list>[number]
/** Where notifications are sent. */
export type NotifyTarget = FunctionReturnType<typeof backendApi.notifications.list>[number]
export type SessionUsage = FunctionReturnType<typeof backendApi.usage.session>
/** The usage of one worker and model on one day. */
export type UsageDay = Page<typeof backendApi.usage.days>
/** A turn that a search found. */
export type SearchResult = FunctionReturnType<typeof backendApi.search.find>[number]
/** The part of a turn by which it was found. */
export type SearchKind = NonNullable<SearchResult["kind"]>
export type Command = NonNullable<FunctionReturnType<typeof backendApi.commands.get>>
