/**
 * What OpenCode wants to know from the person at the terminal while it works.
 *
 * @since 0.1.0
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { Effect, Option, Schema, Stream, Terminal } from "effect"
import { type EscapeKey, noKeys } from "./EscapeKey.ts"
import { type Answer, Operator, type PendingRequest } from "./Operator.ts"
import { print } from "./terminal/Output.ts"
import { ScreenText, screen } from "./terminal/ScreenText.ts"

/** What the model is told where nobody can be asked, so that it goes on. */
const nobody = "Nobody can be asked for permission here. Go on without it, or say what you would need."

const Question = Schema.Struct({
  question: Schema.String,
  options: Schema.optionalKey(Schema.Array(Schema.Struct({ label: Schema.String })))
})
type Question = typeof Question.Type
const decodeQuestions = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ questions: Schema.Array(Question) }))
)
const questionsOf = ({ payload }: PendingRequest): ReadonlyArray<Question> =>
  Option.match(decodeQuestions(payload), { onNone: () => [], onSome: ({ questions }) => questions })

/**
 * What was typed after a permission was asked for. Anything but a plain word is a reason, which the model reads and goes
 * on with; a plain no ends the turn.
 *
 * @category conversions
 * @since 0.1.0
 */
export const permissionAnswer = (typed: string): Answer => {
  const word = typed.trim()
  if (/^(y|yes|once)$/i.test(word)) return { type: "once" }
  if (/^(a|always)$/i.test(word)) return { type: "always" }
  return /^(n|no)?$/i.test(word) ? { type: "reject" } : { type: "reject", message: word }
}

/**
 * What was typed after a question: the numbers of options, or words of one's own.
 *
 * @category conversions
 * @since 0.1.0
 */
export const questionAnswer = ({ options = [] }: Question, typed: string): ReadonlyArray<string> => {
  const numbers = typed.split(/[\s,]+/).filter((part) => part !== "")
  const labels = numbers.flatMap((part) => options[Number(part) - 1]?.label ?? [])
  return labels.length > 0 && labels.length === numbers.length ? labels : [typed.trim()]
}

const askPerson = Effect.fnUntraced(function* (request: PendingRequest) {
  const terminal = yield* Terminal.Terminal
  if (request.kind === "permission") {
    yield* print(
      screen`\n? OpenCode asks for ${ScreenText.line(request.subject)}\n  [y]es, [a]lways, [n]o, or say what to do instead: `
    )
    return permissionAnswer(yield* terminal.readLine)
  }
  const answers: Array<Array<string>> = []
  for (const question of questionsOf(request)) {
    const options = (question.options ?? []).map(
      ({ label }, index) => screen`  ${index + 1} ${ScreenText.line(label)}\n`
    )
    yield* print(screen`\n? ${ScreenText.indent(screen`${question.question}`, "  ")}\n${ScreenText.join(options)}  `)
    answers.push([...questionAnswer(question, yield* terminal.readLine)])
  }
  return { type: "answers", answers } satisfies Answer
})

const answerForNobody = (request: PendingRequest): Answer =>
  request.kind === "permission"
    ? { type: "reject", message: nobody }
    : { type: "answers", answers: questionsOf(request).map(() => [nobody]) }

/**
 * Answers what a session asks, for as long as it runs: by the person at the terminal, who is asked `apart` from what else
 * reads there, or, where there is none, in a way that lets the model go on. What was answered elsewhere in the meantime
 * stays so.
 *
 * @category operations
 * @since 0.1.0
 */
export const answerRequests = Effect.fnUntraced(function* (
  sessionId: Id<"sessions">,
  interactive: boolean,
  { apart }: Pick<EscapeKey, "apart"> = noKeys
) {
  const operator = yield* Operator
  const seen = new Set<string>()
  yield* operator.pending(sessionId).pipe(
    Stream.flattenIterable,
    Stream.filter(({ requestId }) => !seen.has(requestId)),
    Stream.runForEach(
      Effect.fnUntraced(function* (request) {
        seen.add(request.requestId)
        const unasked = answerForNobody(request)
        const answer = interactive
          ? yield* Effect.catchTag(apart(askPerson(request)), "QuitError", () => Effect.succeed(unasked))
          : unasked
        yield* Effect.catchReasons(operator.answer(request.requestId, answer), "ConvexSyncError", {
          Rejected: ({ message }) => Effect.logInfo(message)
        })
      })
    )
  )
})
