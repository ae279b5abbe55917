import { SwrCache } from "@opencode-worker/model-cache"
import { Console, Effect } from "effect"

const fetchRates = Effect.succeed({ usd: 1.08 }).pipe(Effect.delay("50 millis"))

const program = Effect.gen(function* () {
  const rates = yield* SwrCache.make({
    lookup: Effect.timeout(fetchRates, "10 seconds"),
    freshFor: "1 hour",
    name: "rates"
  })
  const { usd } = yield* rates.get
  yield* Console.log(`1 EUR = ${usd} USD`)
})

await Effect.runPromise(Effect.scoped(program))
