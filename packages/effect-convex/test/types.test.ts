import type { Effect, Stream } from "effect"
import { expectTypeOf, it } from "vitest"
import type { ConvexClient, ConvexClientError } from "../src/index.ts"
import { api } from "./convex/notes.ts"

const calls = ({ mutation, query, subscribe }: ConvexClient["Service"]) => [
  // @ts-expect-error -- `key` is a string
  () => mutation(api.notes.add, { key: 1 }),
  // @ts-expect-error -- a mutation is not a query
  () => query(api.notes.add, { key: "1" }),
  () => {
    expectTypeOf(query(api.notes.list, {})).toEqualTypeOf<Effect.Effect<ReadonlyArray<string>, ConvexClientError>>()
    expectTypeOf(subscribe(api.notes.list, {})).toEqualTypeOf<Stream.Stream<ReadonlyArray<string>, ConvexClientError>>()
  }
]

it("infers results from the function references and rejects wrong arguments", () => {
  expectTypeOf(calls).toBeFunction()
})
