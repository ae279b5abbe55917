/** The failures of this package, one class each: `ModelCacheError.reason` holds one of them. */
import * as Data from "effect/Data"

const didYouMean = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : ` Did you mean ${suggestions.join(", ")}?`

/** `fetch` failed or returned an invalid catalogue, and there is no earlier list. It is retried in the background. */
export class FetchFailed extends Data.TaggedError("FetchFailed")<{
  /** The failure of `fetch`. Its message is shown, so it must contain no secret. */
  readonly cause: unknown
}> {
  override get message() {
    const cause = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `The models could not be fetched, and will be fetched again: ${cause}`
  }
}

/** `fetch` exceeded `timeout`, and there is no earlier list. It is retried in the background. */
export class FetchTimedOut extends Data.TaggedError("FetchTimedOut")<{ readonly limitMillis: number }> {
  override get message() {
    return `The models did not arrive within ${this.limitMillis} ms, and will be fetched again.`
  }
}

/** The list does not contain the model. Recovery: use one of `suggestions`, or configure its provider and `invalidate`. */
export class UnknownModel extends Data.TaggedError("UnknownModel")<{
  readonly id: string
  readonly suggestions: ReadonlyArray<string>
  /** Number of models in the list. */
  readonly known: number
}> {
  override get message() {
    return `No model "${this.id}" among the ${this.known} known ones; ids have the form "provider/model".${didYouMean(this.suggestions)}`
  }
}

/** No model was requested, and the list has no default. Recovery: name a model. */
export class NoDefaultModel extends Data.TaggedError("NoDefaultModel")<{ readonly known: number }> {
  override get message() {
    return `None of the ${this.known} known models is the default. Name one as "provider/model".`
  }
}

/** The cache was disposed of. Recovery: create another cache. */
export class Closed extends Data.TaggedError("Closed") {
  override get message() {
    return "The model cache is closed."
  }
}

/** An option is unknown, missing or of the wrong type. This is a mistake in the program. */
export class InvalidOption extends Data.TaggedError("InvalidOption")<{
  readonly option: string
  readonly expected: string
  readonly actual: string
}> {
  override get message() {
    return `Option ${this.option} must be ${this.expected}, but was ${this.actual}.`
  }
}

export type ModelCacheReason = FetchFailed | FetchTimedOut | UnknownModel | NoDefaultModel | Closed | InvalidOption
