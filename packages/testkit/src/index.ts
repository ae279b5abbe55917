export type { ChatMessage, ChatRequest, ToolResult } from "./ChatRequest.ts"
export { demoPrompt, demoScript } from "./demoScript.ts"
export {
  type Direction as FaultDirection,
  FaultProxy,
  type Stats as FaultProxyStats,
  type Target as FaultProxyTarget
} from "./FaultProxy.ts"
export { OpenCodeHome, type Options as OpenCodeHomeOptions } from "./OpenCodeHome.ts"
export {
  type AsyncScript,
  faultProxy,
  type FaultProxyHandle,
  openCodeHome,
  type OpenCodeHomeHandle,
  scriptedProvider,
  type ScriptedProviderHandle
} from "./promises.ts"
export * as Reply from "./Reply.ts"
export {
  type Options as ScriptedProviderOptions,
  type ProviderConfig,
  type Script,
  ScriptedProvider,
  type Stats
} from "./ScriptedProvider.ts"
export { GitFailed, HomeNotWritable, ListenFailed, TestkitError } from "./TestkitError.ts"
