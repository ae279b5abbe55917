export type {
  Answer,
  Approval,
  ApprovalId,
  AuditEntry,
  Catalog,
  ChangedFile,
  Changes,
  Command,
  CommandId,
  DeviceCode,
  DeviceId,
  DeviceScope,
  FileId,
  FinalPart,
  InboxItem,
  InboxItemId,
  LiveTurn,
  NotifyTarget,
  NotifyTargetId,
  OpenRequest,
  OperatorDevice,
  OutlineEntry,
  PairingPreview,
  PendingRequest,
  QueryResults,
  QueuedPrompt,
  RequestId,
  SearchKind,
  SearchResult,
  Segment,
  Session,
  SessionDetails,
  SessionId,
  SessionUsage,
  Turn,
  TurnFile,
  TurnId,
  UsageDay,
  Worker,
  WorkerId
} from "./api.ts"
export { type Client, makeClient } from "./Client.ts"
export { ClientError, type ClientReason, isClientError } from "./ClientError.ts"
export type { Connection, ConnectOptions } from "./Connection.ts"
export { createClient } from "./createClient.ts"
export { claimDevice, createDeviceKey, type Device, deviceAuth, type DeviceKey } from "./Device.ts"
export type { FollowedTurn, FollowOptions } from "./FollowedTurn.ts"
export * as RequestCard from "./RequestCard.ts"
export * as TurnView from "./TurnView.ts"
export type { CallOptions, MutationOptions } from "./internal/calls.ts"
export type { UploadedFile, UploadOptions } from "./resources/files.ts"
export type { Model, ModelCatalog } from "./resources/models.ts"
export type {
  NotifyTargetOptions,
  PushMessage,
  PushSubscriptionLike,
  SubscribePushOptions
} from "./resources/notifications.ts"
export type { PromptChanges } from "./resources/promptQueue.ts"
export type { DiffOptions, SubAgentTranscript } from "./resources/queries.ts"
export type { ExportedTurn, RedoOptions, UndoOptions } from "./resources/sessionActions.ts"
export type { SearchOptions } from "./resources/search.ts"
export type { CommandOptions, PromptOptions } from "./resources/turns.ts"
