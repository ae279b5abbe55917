/** @since 0.1.0 */
import { Schema } from "effect"

const didYouMean = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : ` Did you mean ${suggestions.join(", ")}?`

/** The source failed and there is no earlier list. Recovery: none needed, it is tried again in the background. */
export class FetchFailed extends Schema.TaggedError<FetchFailed>()("FetchFailed", {
  /** What the source failed with. Its message is shown, so it must hold no secret. */
  cause: Schema.Defect()
}) {
  override get message() {
    const cause = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `The models could not be fetched, and will be tried again: ${cause}`
  }
}

/** The source did not answer in time and there is no earlier list. Recovery: as for `FetchFailed`. */
export class FetchTimedOut extends Schema.TaggedError<FetchTimedOut>()("FetchTimedOut", {
  limitMillis: Schema.Finite
}) {
  override get message() {
    return `The models did not arrive within ${this.limitMillis} ms, and will be tried again`
  }
}

/** What was asked for is not of the form `provider/model`. Recovery: ask for one of `suggestions`. */
export class InvalidSpec extends Schema.TaggedError<InvalidSpec>()("InvalidSpec", {
  spec: Schema.String,
  suggestions: Schema.Array(Schema.String)
}) {
  override get message() {
    return `A model is named "provider/model", not "${this.spec}".${didYouMean(this.suggestions)}`
  }
}

/** No such model is in the list. Recovery: ask for one of `suggestions`, or configure its provider and `invalidate`. */
export class UnknownModel extends Schema.TaggedError<UnknownModel>()("UnknownModel", {
  spec: Schema.String,
  suggestions: Schema.Array(Schema.String),
  /** How many models are known. */
  known: Schema.Finite
}) {
  override get message() {
    return `No model "${this.spec}" among the ${this.known} known ones.${didYouMean(this.suggestions)}`
  }
}

/** No model was asked for, and the list names no default. Recovery: ask for a model. */
export class NoDefaultModel extends Schema.TaggedError<NoDefaultModel>()("NoDefaultModel", {
  known: Schema.Finite
}) {
  override get message() {
    return `No model was asked for, and none of the ${this.known} known ones is the default: name one as "provider/model"`
  }
}

/** The cache was disposed of. Recovery: use another cache. */
export class Closed extends Schema.TaggedError<Closed>()("Closed", {}) {
  override get message() {
    return "The model cache is closed: create another one"
  }
}

/** An option has the wrong type. It is a mistake in the program. Recovery: none at run time. */
export class InvalidOption extends Schema.TaggedError<InvalidOption>()("InvalidOption", {
  option: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message() {
    return `The option ${this.option} must be ${this.expected}, and was ${this.actual}`
  }
}

/**
 * The one error of this package; `reason` says what happened, `message` what to do.
 *
 * @category errors
 * @since 0.1.0
 */
export class ModelCacheError extends Schema.TaggedError<ModelCacheError>()("ModelCacheError", {
  reason: Schema.Union([FetchFailed, FetchTimedOut, InvalidSpec, UnknownModel, NoDefaultModel, Closed, InvalidOption])
}) {
  override get message() {
    return this.reason.message
  }
}
