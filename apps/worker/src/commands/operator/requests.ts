/** `opencode-worker allow`, `deny` and `answer`: the answers to requests of agents. */
import type { Answer, OpenRequest } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option } from "effect"
import { Argument, Flag } from "effect/cli"
import { usageError } from "../../AppError.ts"
import { findRequest } from "../../operator/lookup.ts"
import { target } from "../../operator/output.ts"
import * as ChatInput from "../../terminal/input/ChatInput.ts"
import { columns, printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { askPerson } from "../../terminal/PermissionPrompt.ts"
import { isInteractive } from "../../terminal/PromptSource.ts"
import { quoted } from "../../terminal/requestCard.ts"
import { questionAnswer } from "../../terminal/typedAnswer.ts"
import { confirmed, yes } from "./confirmed.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

const request = Argument.String("request").pipe(
  Argument.withDescription("The id of a request, or the start of it (opencode-worker inbox lists them)")
)

const read = Effect.fnUntraced(function* (given: string) {
  const client = yield* Client
  const { requestId } = yield* findRequest(given)
  return yield* client.call((operator, options) => operator.requests.get(requestId, options))
})

const reply = Effect.fnUntraced(function* (open: OpenRequest, answer: Answer) {
  const client = yield* Client
  yield* client.call((operator) => operator.requests.answer(open, answer))
  yield* printLine(screen`Answered ${open.requestId}`)
})

/** Everything that a permission allows, behind bars. */
const contentOf = ({ content, directory }: OpenRequest): ScreenText =>
  content.kind === "permission"
    ? ScreenText.join([
        screen`? Allow ${ScreenText.line(content.permission)} in ${ScreenText.line(directory)}?\n`,
        ...content.sections.map(({ text }) => quoted(text, columns()))
      ])
    : screen``

export const allow = operatorCommand(
  "allow",
  descriptions.allow,
  {
    request,
    later: Flag.Literals("for", ["turn", "session", "always"]).pipe(
      Flag.withDescription(
        "Also allow later requests of the same scope: in this turn, in this session, or always with this worker, until you revoke it"
      ),
      Flag.optional
    ),
    yes
  },
  Effect.fnUntraced(function* (given) {
    const open = yield* read(given.request)
    if (open.content.kind === "question") {
      return yield* usageError("This is a question: opencode-worker answer replies to it.")
    }
    if (Option.isSome(given.later) && open.always === null) {
      return yield* usageError("This request can be allowed once only: leave out --for.")
    }
    const scope = Option.isSome(given.later)
      ? screen`Later, too (${given.later.value}): ${ScreenText.line(open.always?.label ?? "")}\n`
      : screen``
    yield* confirmed(given.yes, screen`${contentOf(open)}${scope}  [y]es, [n]o\n`)
    yield* reply(open, { type: Option.getOrElse(given.later, () => "once" as const) })
  })
)

export const deny = operatorCommand(
  "deny",
  descriptions.deny,
  {
    request,
    message: Flag.String("message").pipe(
      Flag.withAlias("m"),
      Flag.withDescription("An instruction, with which the agent continues (default: the turn stops)"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (given) {
    const open = yield* read(given.request)
    const isQuestion = open.content.kind === "question"
    if (isQuestion && Option.isSome(given.message)) {
      return yield* usageError("A question takes no --message: opencode-worker answer replies to it.")
    }
    const message = Option.isSome(given.message) ? { message: given.message.value } : {}
    yield* reply(open, isQuestion ? { type: "dismiss" } : { type: "reject", ...message })
  })
)

export const answer = operatorCommand(
  "answer",
  descriptions.answer,
  {
    request,
    answers: Argument.String("answer").pipe(
      Argument.withDescription("One per question: the number or text of an option, or your own words"),
      Argument.variadic()
    )
  },
  Effect.fnUntraced(function* (given) {
    const open = yield* read(given.request)
    if (given.answers.length === 0) {
      if (!(yield* isInteractive)) return yield* usageError("Give one answer per question.")
      const input = yield* ChatInput.make
      const person = { input, style: (yield* target).style, columns: columns() }
      return yield* reply(open, yield* Effect.raceFirst(askPerson(person, open, ""), input.quit))
    }
    if (open.content.kind === "permission") {
      return yield* usageError("This is a permission request: opencode-worker allow or deny answers it.")
    }
    const { questions } = open.content
    if (given.answers.length !== questions.length) {
      return yield* usageError(`The request has ${questions.length} questions: give one answer for each, in quotes.`)
    }
    const answers = yield* Effect.forEach(questions, (question, index) => {
      const typed = questionAnswer(question, given.answers[index] ?? "")
      return typed._tag === "Answer"
        ? Effect.succeed([...typed.answer])
        : usageError(`${question.header}: ${typed.hint}`)
    })
    yield* reply(open, { type: "answers", answers })
  })
)
