import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option } from "effect"
import { UserDirectories } from "effect/persistence"
import * as Contexts from "../../src/state/Contexts.ts"
import * as command from "../support/command.ts"

describe("the context of a sign-in", () => {
  it("is named after the host of any address", () => {
    assert.deepStrictEqual(
      ["http://127.0.0.1:3210", "https://a.convex.cloud", "http://[::1]:3210"].map(Contexts.nameOf),
      ["127.0.0.1-3210", "a.convex.cloud", "ip6---1-3210"]
    )
  })

  it.effect("may have any name, also that of a file", () =>
    Effect.gen(function* () {
      const names = ["current", "current.json", "ip6---1-3210"]
      for (const name of names) {
        yield* Contexts.prepare(name)
        yield* Contexts.save(name, `http://${name}.test`)
        assert.strictEqual(Option.getOrThrow(yield* Contexts.current).name, name)
      }
      assert.sameMembers(
        (yield* Contexts.list).map(({ name }) => name),
        names
      )
    }).pipe(
      Effect.provide(
        Layer.unwrap(
          Effect.map(command.home, (root) =>
            Layer.provide(
              UserDirectories.layer,
              ConfigProvider.layer(ConfigProvider.fromEnv({ env: { HOME: root, XDG_STATE_HOME: root } }))
            )
          )
        ).pipe(Layer.provideMerge(NodeServices.layer))
      )
    )
  )
})
