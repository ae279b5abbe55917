export * from "./WorkerLifecycle.ts"
export * from "./WorkerMachine.ts"
export * from "./machine/MachineError.ts"
export * as MachineReason from "./machine/MachineReason.ts"
