/** @since 0.1.0 */
export { api, type WorkerCredentials } from "./Backend.ts"
export * from "./ConvexSyncError.ts"
/** @since 0.1.0 */
export * as DeltaBuffer from "./DeltaBuffer.ts"
export * from "./DeltaWriter.ts"
export { Inbox, type InboxPort, type PromptIds, type ReadyTurn } from "./Inbox.ts"
export * from "./Lease.ts"
/** @since 0.1.0 */
export * as Pairing from "./Pairing.ts"
export * from "./Requests.ts"
export * from "./retryTransient.ts"
export * from "./Commands.ts"
export * from "./Settlement.ts"
/** @since 0.1.0 */
export * as History from "./History.ts"
/** @since 0.1.0 */
export * as HistoryTurns from "./HistoryTurns.ts"
/** @since 0.1.0 */
export * as ModelPublisher from "./ModelPublisher.ts"
/** @since 0.1.0 */
export * as SessionMerge from "./SessionMerge.ts"
/** @since 0.1.0 */
export * as SessionSync from "./SessionSync.ts"
/** @since 0.1.0 */
export * as StreamedText from "./StreamedText.ts"
/** @since 0.1.0 */
export * as TurnResult from "./TurnResult.ts"
