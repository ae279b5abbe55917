/**
 * What OpenCode wants to know from the person at the terminal while it works.
 *
 * @since 0.1.0
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { Effect, Stream, Terminal } from "effect"
import { type EscapeKey, noKeys } from "./EscapeKey.ts"
import { type Answer, type OpenRequest, Operator } from "./Operator.ts"
import { print } from "./terminal/Output.ts"
import { ScreenText, screen } from "./terminal/ScreenText.ts"

/** What the model is told where nobody can be asked, so that it goes on. */
const nobody = "Nobody can be asked for permission here. Go on without it, or say what you would need."

type Content = OpenRequest["content"]
interface Question {
  readonly options?: ReadonlyArray<{ readonly label: string }>
}

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

const askPerson = Effect.fnUntraced(function* ({ always, content, subject }: OpenRequest) {
  const terminal = yield* Terminal.Terminal
  if (content.kind === "permission") {
    const later = always === null ? "" : screen`[a]lways (${ScreenText.line(always.label)}), `
    yield* print(
      screen`\n? OpenCode asks for ${ScreenText.line(subject)}\n  [y]es, ${later}[n]o, or say what to do instead: `
    )
    return permissionAnswer(yield* terminal.readLine)
  }
  const answers: Array<Array<string>> = []
  for (const question of content.questions) {
    const options = question.options.map(({ label }, index) => screen`  ${index + 1} ${ScreenText.line(label)}\n`)
    yield* print(screen`\n? ${ScreenText.indent(screen`${question.question}`, "  ")}\n${ScreenText.join(options)}  `)
    answers.push([...questionAnswer(question, yield* terminal.readLine)])
  }
  return { type: "answers", answers } satisfies Answer
})

/** A question that accepts none but its options can only be dismissed, which ends the turn. */
const answerForNobody = (content: Content): Answer => {
  if (content.kind === "permission") return { type: "reject", message: nobody }
  return content.questions.every(({ custom }) => custom)
    ? { type: "answers", answers: content.questions.map(() => [nobody]) }
    : { type: "dismiss" }
}

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
      Effect.fnUntraced(function* ({ requestId }) {
        seen.add(requestId)
        const request = yield* operator.request(requestId)
        const unasked = answerForNobody(request.content)
        const answer = interactive
          ? yield* Effect.catchTag(apart(askPerson(request)), "QuitError", () => Effect.succeed(unasked))
          : unasked
        yield* Effect.catchReasons(operator.answer(requestId, answer), "ConvexSyncError", {
          Rejected: ({ message }) => Effect.logInfo(message)
        })
      })
    )
  )
})
