/** @since 0.1.0 */
export * from "./Async.ts"
export * as Actor from "./Actor.ts"
export * as Machine from "./Machine.ts"
export * from "./MachineError.ts"
export * from "./WorkerLifecycle.ts"
export * from "./WorkerMachine.ts"
export * from "./WorkerTiming.ts"
