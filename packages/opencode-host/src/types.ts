/** The types of both entries. OpenCode's own types have its name in front. */
export type { HostEvent } from "./HostEvent.ts"
export type {
  Agent as OpenCodeAgent,
  Command as OpenCodeCommand,
  AssistantMessage as OpenCodeAssistantMessage,
  AssistantWithParts,
  FileDiff,
  LspStatus,
  McpStatus,
  Message as OpenCodeMessage,
  MessagePage,
  MessageWithParts,
  ModelInfo,
  ModelList,
  OpenCodeClient,
  OpenCodeEvent,
  Part as OpenCodePart,
  PromptFile,
  PromptInput,
  Session as OpenCodeSession,
  Skill as OpenCodeSkill,
  SessionStatus as OpenCodeSessionStatus,
  Todo as OpenCodeTodo,
  ToolPart as OpenCodeToolPart,
  TurnBudget,
  TurnInput,
  UserMessage as OpenCodeUserMessage
} from "./OpenCodeClient.ts"
export type { OpenCodeHostOptions, RecycleOptions, RestartOptions } from "./OpenCodeHostOptions.ts"
export type * from "./OpenCodeRequest.ts"
export type { Binary as OpenCodeBinary, OpenCodeServer } from "./OpenCodeServer.ts"
export type { TurnEvent, TurnFailure, TurnOutcome, TurnUsage } from "./TurnEvent.ts"
