export type {
  Answer,
  AuditEntry,
  Command,
  CommandId,
  FinalPart,
  LiveTurn,
  OpenRequest,
  PairingPreview,
  PendingRequest,
  RequestId,
  Segment,
  Session,
  SessionId,
  Turn,
  TurnId,
  Worker,
  WorkerId
} from "./api.ts"
export {
  type CallOptions,
  type Client,
  createClient,
  makeClient,
  type ModelCatalog,
  type MutationOptions,
  type PromptOptions
} from "./Client.ts"
export { ClientError, type ClientReason, isClientError } from "./ClientError.ts"
export type { Connection, ConnectOptions } from "./Connection.ts"
export type { FollowedTurn, FollowOptions } from "./FollowedTurn.ts"
export * as TurnView from "./TurnView.ts"
