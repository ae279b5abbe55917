import type { PaginationOptions, PaginationResult } from "convex/server"

/** All rows of a paginated query. The next page is read when the rows before it were consumed. */
export async function* pages<A>(
  numItems: number,
  read: (paginationOpts: PaginationOptions) => Promise<PaginationResult<A>>
): AsyncGenerator<A, undefined> {
  let cursor: string | null = null
  for (;;) {
    const { continueCursor, isDone, page }: PaginationResult<A> = await read({ numItems, cursor })
    yield* page
    if (isDone) return
    cursor = continueCursor
  }
}
