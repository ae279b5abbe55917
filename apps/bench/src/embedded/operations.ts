/** The measured operations: the same for every contender, on the same documents, in alternation. */

type Run = (name: string, args: Record<string, unknown>) => Promise<unknown>

/** Runs functions by their name and arguments. */
export interface Subject {
  readonly query: Run
  /** The same over a client's connection. */
  readonly queryBySocket: Run
  readonly mutation: Run
}

/** Documents of one bulk mutation. */
const BULK = 1000

/** Concurrent mutations of one client. */
export const CONCURRENT = 100

/** Numbers without a pattern, the same in each run (a multiplicative hash). */
export const scattered = (i: number, below: number) => (Math.imul(i + 1, 2_654_435_761) >>> 8) % below

/** Each runs the operation once on a table of `documents`; `i` counts the runs. */
const operations = {
  get: (subject: Subject, documents: number, i: number) => subject.query("get", { number: scattered(i, documents) }),
  getBySocket: (subject: Subject, documents: number, i: number) =>
    subject.queryBySocket("get", { number: scattered(i, documents) }),
  page50: (subject: Subject, documents: number, i: number) =>
    subject.query("page50", { below: 50 + scattered(i, documents - 50) }),
  mutation: (subject: Subject, documents: number, i: number) =>
    subject.mutation("insert", { channel: "one", number: 2 * documents + i }),
  concurrent: (subject: Subject, documents: number, i: number) =>
    Promise.all(
      Array.from({ length: CONCURRENT }, (_, each) =>
        subject.mutation("insert", { channel: "one", number: 3 * documents + i * CONCURRENT + each })
      )
    ),
  bulk: (subject: Subject, documents: number, i: number) =>
    subject.mutation("bulk", { count: BULK, from: 4 * documents + BULK * i })
}

export type Operation = keyof typeof operations
export const OPERATIONS = [
  "get",
  "getBySocket",
  "page50",
  "mutation",
  "concurrent",
  "bulk"
] as const satisfies ReadonlyArray<Operation>

/** Repetitions in one run of an operation. */
export const timesOf = (op: Operation): number => (op === "bulk" ? BULK : op === "concurrent" ? CONCURRENT : 1)

/** Limits of the runs and of their time. */
export interface Limit {
  readonly runs: number
  readonly millis: number
}

/** Runs that begin at the number `from`. */
export interface Part {
  readonly op: Operation
  readonly documents: number
  readonly from: number
  readonly limit: Limit
}

/** Returns the milliseconds of each run. */
export const measure = async (
  run: (i: number) => Promise<unknown>,
  from: number,
  limit: Limit
): Promise<Array<number>> => {
  const times: Array<number> = []
  const began = performance.now()
  while (times.length < limit.runs && performance.now() - began < limit.millis) {
    const start = performance.now()
    await run(from + times.length)
    times.push(performance.now() - start)
  }
  return times
}

export const measurePart = (subject: Subject, { documents, from, limit, op }: Part): Promise<Array<number>> =>
  measure((i) => operations[op](subject, documents, i), from, limit)

export const fill = async (subject: Subject, documents: number): Promise<void> => {
  for (let from = 0; from < documents; from += BULK) await subject.mutation("bulk", { count: BULK, from })
}
