export { type AgentCheck, agentConformance } from "./agentConformance.ts"
export type { AgentHarness } from "./agentRuns.ts"
export * as ScriptedAgent from "./ScriptedAgent.ts"
