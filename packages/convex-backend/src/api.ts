/** References to the functions, with their types: what a client calls them by. */
export { api } from "../convex/_generated/api.ts"
export type { ChangedFile, QueryResults, SubAgentTurn } from "../convex/queryResults.ts"
export type { Doc, Id } from "../convex/_generated/dataModel.ts"
