/** Checks catalogues that come from outside. Written by hand: `Schema` is most of the cost of importing a package. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { ModelCatalog } from "../ModelCatalog.ts"

type Shape = "string" | "number" | "boolean" | "strings" | Fields
interface Fields {
  readonly required?: Readonly<Record<string, Shape>>
  readonly optional?: Readonly<Record<string, Shape>>
}

const model: Fields = {
  required: { id: "string", providerID: "string", modelID: "string", name: "string" },
  optional: {
    limit: { optional: { context: "number", output: "number" } },
    capabilities: {
      optional: {
        tools: "boolean",
        reasoning: "boolean",
        input: { optional: { image: "boolean", pdf: "boolean", audio: "boolean", video: "boolean" } },
        output: { optional: { image: "boolean", audio: "boolean", video: "boolean" } }
      }
    },
    cost: {
      required: { input: "number", output: "number" },
      optional: { cacheRead: "number", cacheWrite: "number" }
    },
    variants: "strings",
    status: "string"
  }
}

/** Fails with the path of the first value that has another shape. Unknown fields are dropped. */
const pick = (value: unknown, shape: Shape, path: string): Result.Result<unknown, string> => {
  if (shape === "strings") {
    const isList = Array.isArray(value) && value.every((each) => typeof each === "string")
    return isList ? Result.succeed([...value]) : Result.fail(`${path} must be an array of strings`)
  }
  const expected = typeof shape === "string" ? shape : "object"
  if (typeof value !== expected || value === null || (expected === "number" && !Number.isFinite(value))) {
    return Result.fail(`${path} must be ${expected === "object" ? "an" : "a"} ${expected}`)
  }
  if (typeof shape === "string" || !Predicate.isObject(value)) return Result.succeed(value)
  const picked: Record<string, unknown> = {}
  for (const [key, field] of Object.entries({ ...shape.required, ...shape.optional })) {
    const inner: unknown = Reflect.get(value, key)
    if (inner === undefined && !(key in (shape.required ?? {}))) continue
    const result = pick(inner, field, `${path}.${key}`)
    if (Result.isFailure(result)) return result
    picked[key] = result.success
  }
  return Result.succeed(picked)
}

export const parseCatalog = (value: unknown): Result.Result<ModelCatalog, string> =>
  Result.gen(function* () {
    if (!Predicate.isObject(value)) return yield* Result.fail("the catalogue must be an object")
    const { default: chosen = null, models }: { default?: unknown; models?: unknown } = value
    if (!Array.isArray(models)) return yield* Result.fail("models must be an array")
    if (chosen !== null && typeof chosen !== "string") return yield* Result.fail("default must be a string or null")
    const picked: Array<unknown> = []
    for (const [index, each] of models.entries()) picked.push(yield* pick(each, model, `models[${index}]`))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `pick` has checked every field
    return { models: picked, default: chosen } as ModelCatalog
  })
