/** Shows the requests of a running turn at the terminal, and returns the answers. */
import type { Answer, OpenRequest, PendingRequest, RequestId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { Clock, Effect, Option, Stream, SubscriptionRef } from "effect"
import type { ChatInput } from "./input/ChatInput.ts"
import { page } from "./pager.ts"
import { permissionCard, questionCard, quoted } from "./requestCard.ts"
import { printHeld, printLine } from "./output/Output.ts"
import { ScreenText, screen } from "./output/ScreenText.ts"
import type { Style } from "./output/Style.ts"
import { permissionAnswer, questionAnswer, type Typed } from "./typedAnswer.ts"

/** The model reads this if there is no person, so that it continues. */
const unattended = "No person can be asked for permission here. Continue without it, or say what you need."

type Ask = (shown: ScreenText) => Effect.Effect<string>

/** Asks until the typed text is a valid answer. */
const untilClear = Effect.fnUntraced(function* <A>(ask: Ask, card: ScreenText, meaning: (typed: string) => Typed<A>) {
  let typed = meaning(yield* ask(card))
  while (typed._tag === "Unclear") typed = meaning(yield* ask(screen`  ${typed.hint}\n`))
  return typed.answer
})

/** The person who answers, and the properties of their terminal. */
export interface Person {
  readonly input: ChatInput
  readonly style: Style
  readonly columns: number
}

const ofMany = (index: number, count: number) => (count > 1 ? ` (${index} of ${count})` : "")

export const askPerson = (
  { input, ...person }: Person,
  request: OpenRequest,
  position: string
): Effect.Effect<Answer> =>
  input.talk((ask) =>
    Effect.gen(function* () {
      const { always, content } = request
      const view = { ...person, now: yield* Clock.currentTimeMillis }
      if (content.kind === "permission") {
        const card = permissionCard(request, content, { ...view, position })
        const whole = ScreenText.join(content.sections.map(({ text }) => quoted(text, person.columns)))
        const askOrView: Ask = Effect.fnUntraced(function* (shown) {
          let typed = yield* ask(shown)
          while (/^\s*v(?:iew)?\s*$/i.test(typed)) {
            yield* page(input, whole)
            typed = yield* ask(screen`  (That was the request above. Answer it as it says there.)\n`)
          }
          return typed
        })
        return yield* untilClear(askOrView, card, (typed) => permissionAnswer(typed, always !== null))
      }
      const answers: Array<Array<string>> = []
      for (const [index, question] of content.questions.entries()) {
        const which = `${position}${ofMany(index + 1, content.questions.length)}`
        const card = questionCard(request, question, { ...view, position: which })
        answers.push([...(yield* untilClear(ask, card, (typed) => questionAnswer(question, typed)))])
      }
      return { type: "answers", answers } satisfies Answer
    })
  )

/** A question that accepts only its options can only be dismissed, which ends the turn. */
const unattendedAnswer = ({ content }: OpenRequest): Answer => {
  if (content.kind === "permission") return { type: "reject", message: unattended }
  return content.questions.every(({ custom }) => custom)
    ? { type: "answers", answers: content.questions.map(() => [unattended]) }
    : { type: "dismiss" }
}

/**
 * Answers requests one after another: through the person at the terminal or, without a person, in a way that lets the model
 * continue. `waiting`: the requests that wait now. A request that was closed elsewhere is removed from the screen.
 */
export const promptForRequests = Effect.fnUntraced(function* (
  waiting: SubscriptionRef.SubscriptionRef<ReadonlyArray<PendingRequest>>,
  person: Person | undefined
) {
  const client = yield* Client
  const seen = new Set<string>()
  const next = SubscriptionRef.changes(waiting).pipe(
    Stream.map((requests) => requests.filter(({ requestId }) => !seen.has(requestId))),
    Stream.filter((requests) => requests.length > 0),
    Stream.runHead,
    Effect.flatMap(Effect.fromOption),
    Effect.orDie
  )
  const gone = (id: RequestId) =>
    SubscriptionRef.changes(waiting).pipe(
      Stream.filter((requests) => requests.every(({ requestId }) => requestId !== id)),
      Stream.runHead,
      // The request holds back other output until this ends it.
      Effect.andThen(printHeld(screen`  (This request no longer waits for an answer.)\n`)),
      Effect.as(Option.none<Answer>())
    )
  const answerNext = Effect.gen(function* () {
    const requests = yield* next
    const [pending] = requests
    if (pending === undefined) return
    const { requestId } = pending
    seen.add(requestId)
    const prepared = Effect.flatMap(
      client.call((operator) => operator.requests.get(requestId)),
      (request) =>
        person === undefined
          ? Effect.succeed(unattendedAnswer(request))
          : askPerson(person, request, ofMany(1, requests.length))
    )
    const answer = yield* Effect.raceFirst(Effect.asSome(prepared), gone(requestId))
    if (Option.isNone(answer)) return
    yield* Effect.catchReasons(
      client.call((operator) => operator.requests.answer(pending, answer.value)),
      "ConvexClientError",
      {
        Rejected: ({ message }) => printLine(screen`  (Not accepted: ${message}.)`)
      }
    )
  })
  return yield* Effect.forever(answerNext)
})
