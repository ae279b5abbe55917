/** The limits of Convex, so that functions that run here also run there. Sizes are bytes of the JSON encoding, except for documents. */
const MiB = 1024 * 1024

export const limits = {
  /** The size of the value, see `sizeOf`. */
  documentBytes: MiB,
  documentFields: 1024,
  documentNesting: 16,
  /** Levels of lists and objects in any value, such as an argument list or a result. */
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
  /** Per scheduled function, and for all that one mutation schedules. */
  scheduledArgumentBytes: 4 * MiB,
  allScheduledArgumentBytes: 16 * MiB,
  /** Per table, of all kinds. */
  indexes: 32,
  searchIndexes: 4,
  /** Fields that one index sorts or filters by. */
  indexFields: 16,
  /** Further terms of a search are ignored, and longer ones cannot be found. */
  searchTerms: 16,
  searchTermBytes: 32,
  searchFilters: 8,
  searchResults: 1024,
  actionMillis: 10 * 60_000,
  /** Console output of one function. */
  logLines: 256,
  logLineCharacters: 4096,
  /** Length of an identity token, which must fit into an HTTP header. */
  tokenCharacters: 16 * 1024,
  /** One WebSocket message or request body: the arguments and their envelope. */
  messageBytes: 20 * MiB,
  /** One stored file. It is held in memory while it is written or read. */
  fileBytes: 256 * MiB,
  /** All static files together. They are held in memory. */
  assetBytes: 64 * MiB,
  /** Larger transitions are sent in parts. */
  transitionCharacters: 5_000_000,
  /** Unsent bytes beyond which a connection is closed at the next message: its client does not read. */
  unsentBytes: 64 * MiB,
  /** Memory of one parsed message or body: lists and objects take more than their text. */
  parsedBytes: 128 * MiB,
  /** Arguments and results of the subscriptions of one connection. */
  subscriptionBytes: 96 * MiB,
  /** Pending calls of one connection. Beyond it, its messages stay unread. */
  waitingBytes: 32 * MiB,
  /** Memory per subscription in addition to its arguments and result, for example its read set. */
  subscriptionOverhead: 4096,
  /** Results that are computed in one batch before they are counted. */
  watchedBytes: 16 * MiB,
  /** Messages and results of all connections: the default of `connectionMemory`. */
  connectionMemory: 256 * MiB,
  /** WebSockets and HTTP connections together. */
  connections: 1000,
  /** Time limit for the headers of a request and for the `Connect` of a WebSocket. */
  connectMillis: 10_000,
  /** Pending mutations and actions of one connection. Beyond it, its messages stay unread. */
  waitingCalls: 1000,
  /** Subscriptions of one connection. */
  subscriptions: 1000
} as const
