import { describe, expectTypeOf, it } from "vitest"
import type { AsyncOpenCodeHost, HostCallOptions, PromisedPort } from "../src/async.ts"
import type { HostError, ModelList, OpenCodeClient, OpenCodeSession, TurnInput } from "../src/index.ts"
import type { Effect } from "effect"

type Client = PromisedPort<OpenCodeClient>

describe("the types", () => {
  it("of a promised port are methods with call options, at any depth", () => {
    expectTypeOf<Client["models"]>().toEqualTypeOf<(options?: HostCallOptions) => Promise<ModelList>>()
    expectTypeOf<Client["sessions"]["get"]>().toEqualTypeOf<
      (sessionId: string, options?: HostCallOptions) => Promise<OpenCodeSession>
    >()
    expectTypeOf<Effect.Error<OpenCodeClient["models"]>>().toEqualTypeOf<HostError>()
  })

  it("of a turn need a session and a text only", () => {
    expectTypeOf({ sessionId: "ses_1", text: "hi" }).toExtend<TurnInput>()
    // @ts-expect-error A prompt has a text.
    expectTypeOf({ sessionId: "ses_1" }).toExtend<TurnInput>()
  })

  it("of a reply are its two outcomes", () => {
    expectTypeOf<ReturnType<AsyncOpenCodeHost["reply"]>>().resolves.toEqualTypeOf<"replied" | "closed">()
  })
})
