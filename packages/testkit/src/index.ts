/** @since 0.1.0 */
export type { ChatMessage, ChatRequest, ToolResult } from "./ChatRequest.ts"
export { OpenCodeHome } from "./OpenCodeHome.ts"
export * as Reply from "./Reply.ts"
export { ScriptedProvider } from "./ScriptedProvider.ts"
export type { Script } from "./ScriptedProvider.ts"
export { TestkitError } from "./TestkitError.ts"
