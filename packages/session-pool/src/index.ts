/** @since 0.1.0 */
export * from "./Async.ts"
export * as SessionPool from "./SessionPool.ts"
export * from "./SessionPoolError.ts"
