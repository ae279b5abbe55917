export * as Actor from "./Actor.ts"
export * as Machine from "./Machine.ts"
export * from "./MachineError.ts"
export * as MachineReason from "./MachineReason.ts"
