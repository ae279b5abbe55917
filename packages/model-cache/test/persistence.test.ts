import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer } from "effect"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import { TestClock } from "effect/testing"
import { ModelCache } from "../src/index.ts"
import { layerPersisted } from "../src/persisted.ts"
import { ScriptedSource, version } from "./support/source.ts"

/** A cache that stores its list in the folder, until the scope closes. */
const start = (source: ScriptedSource, folder: string) =>
  Layer.build(
    Layer.fresh(layerPersisted({ fetch: source.fetch, key: "catalog" })).pipe(
      Layer.provide(KeyValueStore.layerFileSystem(folder))
    )
  ).pipe(Effect.flatMap((context) => Effect.provideContext(ModelCache, context)))

/** Waits for the list on the test's clock; the file system runs in real time. */
const fetched = Effect.fnUntraced(function* (cache: ModelCache["Service"]) {
  yield* Effect.forkChild(TestClock.adjust("1 second"))
  return yield* cache.refresh
})

const folder = Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())

describe("layerPersisted", () => {
  it.effect("starts with the last good list of a real file, without a fetch", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const path = yield* folder
      const before = yield* Effect.scoped(Effect.flatMap(start(source, path), fetched))

      const cache = yield* start(source, path)
      assert.deepStrictEqual(yield* cache.get, before)
      assert.strictEqual(source.fetches, 1)

      source.answer = Effect.succeed(version(2))
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* cache.get).default, "p/m/1")
      assert.strictEqual((yield* fetched(cache)).default, "p/m/2")
      assert.strictEqual(source.fetches, 2)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("an unreadable file costs one fetch, which replaces it", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const files = yield* FileSystem.FileSystem
      const path = yield* folder
      for (const content of [
        "",
        "{",
        `{"version":2}`,
        "\0",
        "null",
        `{"version":1,"catalog":{"models":[]},"fetchedAt":"now"}`
      ]) {
        yield* files.writeFileString(`${path}/catalog`, content)
        yield* Effect.scoped(Effect.flatMap(start(source, path), fetched))
        const cache = yield* start(source, path)
        assert.strictEqual((yield* cache.get).default, "p/m/1")
      }
      assert.strictEqual(source.fetches, 6)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("a store that hangs does not delay callers by more than its limit", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const hanging = Layer.succeed(
        KeyValueStore.KeyValueStore,
        KeyValueStore.makeStringOnly({
          get: () => Effect.never,
          set: () => Effect.never,
          remove: () => Effect.never,
          clear: Effect.never,
          size: Effect.never,
          keys: Effect.never
        })
      )
      const caller = yield* Effect.forkScoped(
        Layer.build(layerPersisted({ fetch: source.fetch }).pipe(Layer.provide(hanging))).pipe(
          Effect.flatMap((context) => Effect.provideContext(ModelCache, context)),
          Effect.flatMap((cache) => cache.get)
        )
      )
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual((yield* Fiber.join(caller)).default, "p/m/1")
    })
  )

  it.effect("a store that cannot be read or written costs warnings only", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const files = yield* FileSystem.FileSystem
      const path = yield* folder
      yield* files.makeDirectory(`${path}/catalog`)
      const cache = yield* start(source, path)
      assert.strictEqual((yield* fetched(cache)).default, "p/m/1")
      assert.strictEqual((yield* cache.get).default, "p/m/1")
      assert.strictEqual(source.fetches, 1)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
