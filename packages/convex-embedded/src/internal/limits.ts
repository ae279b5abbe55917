/** The limits of Convex, so that a function that runs here also runs there. Sizes are bytes of the JSON encoding. */
const MiB = 1024 * 1024

export const limits = {
  documentBytes: MiB,
  documentFields: 1024,
  documentNesting: 16,
  /** Of any value: an argument list, a result. Lists and objects are a level each. */
  nesting: 64,
  arrayElements: 8192,
  documentsRead: 32_000,
  bytesRead: 16 * MiB,
  indexRanges: 4096,
  documentsWritten: 16_000,
  bytesWritten: 16 * MiB,
  argumentBytes: 16 * MiB,
  returnBytes: 16 * MiB,
  scheduledFunctions: 1000,
  /** Of one scheduled function, and of all that one mutation schedules. */
  scheduledArgumentBytes: 4 * MiB,
  allScheduledArgumentBytes: 16 * MiB,
  /** Of one table, of all kinds together. */
  indexes: 32,
  searchIndexes: 4,
  /** Of one index: those that it sorts or filters by. */
  indexFields: 16,
  /** Further words of a search are not looked for, and longer ones cannot be found. */
  searchTerms: 16,
  searchTermBytes: 32,
  searchFilters: 8,
  searchResults: 1024,
  actionMillis: 10 * 60_000,
  /** What a function may write to its console. */
  logLines: 256,
  logLineCharacters: 4096,
  /** An identity token: what fits into a header of an HTTP request. */
  tokenCharacters: 16 * 1024,
  /** One frame or request body: arguments with room for their envelope. */
  messageBytes: 20 * MiB,
  /** One file of the storage: it is held in memory while it is stored or read. */
  fileBytes: 256 * MiB,
  /** Larger transitions go in parts. */
  transitionCharacters: 5_000_000,
  /** What a connection may have unsent when there is more to send: its client does not read. */
  unsentBytes: 64 * MiB,
  /** What a message or body may take once it is parsed: lists and objects take more than their text. */
  parsedBytes: 128 * MiB,
  /** Arguments and results of the queries that one connection subscribes to. */
  subscriptionBytes: 96 * MiB,
  /** What a connection may have waiting: what it sends meanwhile stays unread. */
  waitingBytes: 32 * MiB,
  /** What one query that is subscribed to takes beside its arguments and its result: among others, the ranges that it read. */
  subscriptionOverhead: 4096,
  /** Results that are computed before those before them are counted. */
  watchedBytes: 16 * MiB,
  /** Messages and results of all connections together, unless the deployment has another limit. */
  connectionMemory: 256 * MiB,
  /** Of WebSockets and HTTP together. */
  connections: 1000,
  /** A request must have its headers, and a WebSocket must send `Connect`, within this time. */
  connectMillis: 10_000,
  /** Mutations and actions that one connection may have waiting; further messages of it wait unread. */
  waitingCalls: 1000,
  /** Queries that one connection may subscribe to. */
  subscriptions: 1000
} as const
