export { type AgentCheck, agentConformance, type AgentHarness } from "./agentConformance.ts"
export * as ScriptedAgent from "./ScriptedAgent.ts"
