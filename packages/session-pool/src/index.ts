export * as SessionPool from "./SessionPool.ts"
export * from "./SessionPoolError.ts"
export * as SessionPoolReason from "./SessionPoolReason.ts"
