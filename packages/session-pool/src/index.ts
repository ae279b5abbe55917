/** @since 0.1.0 */
export * as SessionPool from "./SessionPool.ts"
export * from "./SessionPoolError.ts"
