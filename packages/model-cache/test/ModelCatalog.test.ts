import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { type ModelCacheError, ModelCacheReason, ModelCatalog } from "../src/index.ts"
import { freshness } from "../src/internal/freshness.ts"
import { distance, nearest } from "../src/internal/nearest.ts"
import { parseCatalog } from "../src/internal/parse.ts"

const named = (...ids: ReadonlyArray<string>): ModelCatalog.ModelCatalog => ({
  models: ids.map((id) => {
    const [providerID = "", ...rest] = id.split("/")
    return ModelCatalog.model({ providerID, modelID: rest.join("/"), name: id })
  }),
  default: ids[0] ?? null
})

const catalog = named("anthropic/claude-5", "router/meta/llama-9", "openai/gpt-7")

const refusal = (spec: string | undefined, from = catalog): ModelCacheError["reason"] => {
  const result = ModelCatalog.resolve(from, spec)
  assert.isTrue(Result.isFailure(result))
  return Result.getOrThrow(Result.flip(result)).reason
}

/** Rebuilds a value with every object's keys in reverse order. */
const reversed = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(reversed)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .toReversed()
            .map(([key, inner]) => [key, reversed(inner)])
        )
      : value

const Catalog = Schema.Struct({
  models: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      providerID: Schema.String,
      modelID: Schema.String,
      name: Schema.String,
      limit: Schema.optionalKey(
        Schema.Struct({ context: Schema.optionalKey(Schema.Finite), output: Schema.optionalKey(Schema.Finite) })
      ),
      capabilities: Schema.optionalKey(Schema.Struct({ tools: Schema.optionalKey(Schema.Boolean) })),
      status: Schema.optionalKey(Schema.String)
    })
  ),
  default: Schema.NullOr(Schema.String)
})
const decode = Schema.decodeUnknownSync(Catalog)

describe("resolve", () => {
  it("finds a model by its id, whose model part may contain slashes", () => {
    const found = Result.getOrThrow(ModelCatalog.resolve(catalog, "router/meta/llama-9"))
    assert.deepInclude(found, { providerID: "router", modelID: "meta/llama-9" })
  })

  // Ids that were reported as lost, cut or refused on the way from the list to the provider.
  it.each([
    ["local", "/my/llms/Qwen3", "anomalyco/opencode#15668"],
    ["openrouter", "google/gemini-2.0-flash-exp:free", "anomalyco/opencode#749"],
    ["openrouter", "openrouter/free", "anomalyco/opencode#43662"],
    ["openrouter", "poolside/laguna-s-2.1:free", "pingdotgg/t3code#12335"],
    ["ollama", "hf.co/unsloth/Qwen3-Coder-30B-A3B-Instruct-1M-GGUF:Q4_K_M", "ollama/ollama#13715"],
    ["ollama", "qwen3:latest", "accomplish-ai/coworker#128"],
    ["scripted", "My Model 7B", "a name with spaces"]
  ])("finds the model %s/%s (%s)", (providerID, modelID) => {
    const model = ModelCatalog.model({ providerID, modelID, name: modelID })
    const found = ModelCatalog.resolve(
      { models: [...catalog.models, model], default: null },
      `${providerID}/${modelID}`
    )
    assert.deepStrictEqual(Result.getOrThrow(found), model)
  })

  it("never suggests the requested id, and names a provider that was left out", () => {
    // anomalyco/opencode#48721, littlebearapps/untether#220.
    const nim = named("nim/nvidia/nemotron-3.5-lightning-30b-a3b", "zai-coding-plan/glm-5")
    const nested = refusal("nvidia/nemotron-3.5-lightning-30b-a3b", nim)
    assert.deepInclude(nested, { suggestions: ["nim/nvidia/nemotron-3.5-lightning-30b-a3b"] })
    assert.deepInclude(refusal("glm-5", nim), { suggestions: ["zai-coding-plan/glm-5"] })
  })

  it("takes the default model without an id", () => {
    const found = Result.getOrThrow(ModelCatalog.resolve(catalog, undefined))
    assert.strictEqual(found.id, "anthropic/claude-5")
  })

  it("fails without a default, and for a default that is not in the list", () => {
    assert.deepStrictEqual(
      refusal(undefined, { ...catalog, default: null }),
      new ModelCacheReason.NoDefaultModel({ known: 3 })
    )
    assert.instanceOf(refusal(undefined, { ...catalog, default: "gone/gone" }), ModelCacheReason.UnknownModel)
  })

  it("names the nearest ids for a typing error, another case, or a missing provider", () => {
    assert.deepStrictEqual(
      refusal("openai/gpt-8"),
      new ModelCacheReason.UnknownModel({ id: "openai/gpt-8", suggestions: ["openai/gpt-7"], known: 3 })
    )
    assert.deepInclude(refusal("Anthropic/Claude-5"), { suggestions: ["anthropic/claude-5"] })
    const bare = refusal("llama-9")
    assert.deepInclude(bare, { id: "llama-9", suggestions: ["router/meta/llama-9"] })
    assert.include(bare.message, "Did you mean router/meta/llama-9?")
  })

  it("suggests ids that are equally near in the order of the alphabet", () => {
    const models = ["p/model-2", "p/model-1", "p/model-3", "p/model-4"].map((id) => ({ id, modelID: id.slice(2) }))
    assert.deepStrictEqual(nearest("p/model-5", models), ["p/model-1", "p/model-2", "p/model-3"])
  })

  it("suggests no id when none is similar", () => {
    assert.deepInclude(refusal("x/y"), { suggestions: [] })
    assert.deepInclude(refusal(""), { suggestions: [] })
  })
})

const parse = (value: unknown) => Result.merge(parseCatalog(value))

describe("parseCatalog", () => {
  const model = { id: "p/m", providerID: "p", modelID: "m", name: "M" }

  it.effect.prop("keeps a valid catalogue, and drops unknown fields", [Catalog], ([valid]) =>
    Effect.sync(() => {
      const extended = { ...valid, extra: 1, models: valid.models.map((each) => ({ ...each, providerName: "P" })) }
      assert.deepStrictEqual(parse(extended), valid)
    })
  )

  it("has no default model unless the catalogue names one", () => {
    assert.deepStrictEqual(parse({ models: [] }), { models: [], default: null })
  })

  it("keeps the variants of a model", () => {
    const models = [{ ...model, variants: ["low", "high"] }]
    assert.deepStrictEqual(parse({ models }), { models, default: null })
  })

  it.each<[string, unknown]>([
    ["the catalogue must be an object", undefined],
    ["models must be an array", {}],
    ["default must be a string or null", { models: [], default: 1 }],
    ["models[0] must be an object", { models: [null] }],
    ["models[1].name must be a string", { models: [model, { ...model, name: 1 }] }],
    ["models[0].limit must be an object", { models: [{ ...model, limit: 5 }] }],
    ["models[0].limit.context must be a number", { models: [{ ...model, limit: { context: "5" } }] }],
    ["models[0].limit.output must be a number", { models: [{ ...model, limit: { output: Number.NaN } }] }],
    ["models[0].capabilities.tools must be a boolean", { models: [{ ...model, capabilities: { tools: 1 } }] }],
    ["models[0].variants must be an array of strings", { models: [{ ...model, variants: "high" }] }],
    ["models[0].variants must be an array of strings", { models: [{ ...model, variants: ["high", 1] }] }],
    ["models[0].status must be a string", { models: [{ ...model, status: null }] }]
  ])("fails with: %s", (problem, value) => {
    assert.strictEqual(parse(value), problem)
  })
})

describe("hash", () => {
  it.effect.prop(
    "does not depend on the order of keys or models, but on every name",
    [Catalog, Schema.String],
    ([before, text]) =>
      Effect.sync(() => {
        const hash = ModelCatalog.hash(before)
        assert.match(hash, /^[0-9a-f]{64}$/)
        assert.strictEqual(ModelCatalog.hash(decode(reversed(before))), hash)
        const ids = new Set(before.models.map(({ id }) => id))
        const shuffled = { ...before, models: before.models.toReversed() }
        if (ids.size === before.models.length) assert.strictEqual(ModelCatalog.hash(shuffled), hash)
        const [first, ...rest] = before.models
        if (first !== undefined) {
          const renamed = { ...first, name: `${first.name}${text}.` }
          assert.notStrictEqual(ModelCatalog.hash({ ...before, models: [renamed, ...rest] }), hash)
        }
      })
  )
})

describe("distance", () => {
  it.effect.prop(
    "is a metric that never exceeds the longer length",
    [Schema.String, Schema.String, Schema.String],
    ([a, b, c]) =>
      Effect.sync(() => {
        assert.strictEqual(distance(a, b) === 0, a === b)
        assert.strictEqual(distance(a, b), distance(b, a))
        assert.isAtMost(distance(a, b), Math.max(a.length, b.length))
        assert.isAtMost(distance(a, c), distance(a, b) + distance(b, c))
      })
  )

  it("counts insertions, deletions and replacements", () => {
    assert.strictEqual(distance("kitten", "sitting"), 3)
  })
})

describe("freshness", () => {
  it.effect.prop(
    "is fresh exactly for freshFor after the fetch, within one generation",
    [Schema.Int, Schema.Natural, Schema.Natural],
    ([fetchedAt, age, freshForMillis]) =>
      Effect.sync(() => {
        const at = (millis: number, generation: number, failedGeneration: number) =>
          freshness({ fetchedAt, generation: 0 }, { millis, generation, failedGeneration, freshForMillis })
        const young = age < freshForMillis
        assert.strictEqual(at(fetchedAt + age, 0, -1), young ? "fresh" : "stale")
        assert.strictEqual(at(fetchedAt - 1 - age, 0, -1), "stale")
        assert.strictEqual(at(fetchedAt + age, 1, 0), "invalidated")
        assert.strictEqual(at(fetchedAt + age, 1, 1), "stale")
      })
  )
})
