/** Sums of the bill. Pure. */
import type { Deployment } from "@opencode-worker/harness"
import { round } from "./statistics.ts"

/** Calls: mutations, and results of queries, updates of subscriptions included. Bytes on the wire, by their direction. */
export interface Measured {
  readonly mutations: number
  readonly results: number
  readonly mutationBytes: number
  readonly sent: number
  readonly received: number
}

type Traffic = Awaited<ReturnType<Deployment["traffic"]>>

/** How many of each. */
export interface Day {
  readonly watched: number
  readonly unwatched: number
  readonly minutes: number
}

const sum = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((total, count) => total + count, 0)

/** The share of one of `count` equal pieces. */
export const measure = ({ bytes, mutationBytes, mutations, received, results }: Traffic, count: number): Measured => ({
  mutations: round(sum(mutations) / count),
  results: round(sum(results) / count),
  mutationBytes: Math.round(sum(mutationBytes) / count),
  sent: Math.round(bytes / count),
  received: Math.round(received / count)
})

/** A day. Minutes with a turn count as idle minutes, too, because heartbeats go on. */
export const day = (
  { minutes, unwatched, watched }: Day,
  of: { readonly minute: Measured; readonly unwatched: Measured; readonly watched: Measured }
): Measured => {
  const total = (key: keyof Measured) =>
    Math.round(minutes * of.minute[key] + unwatched * of.unwatched[key] + watched * of.watched[key])
  return {
    mutations: total("mutations"),
    results: total("results"),
    mutationBytes: total("mutationBytes"),
    sent: total("sent"),
    received: total("received")
  }
}
