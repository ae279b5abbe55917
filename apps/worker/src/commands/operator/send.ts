/** `opencode-worker send`: sends one prompt and prints its answer. For scripts, CI, and a person in a hurry. */
import { MAX_PROMPT } from "@opencode-worker/convex-backend/limits"
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option, Stream } from "effect"
import { Argument, Flag } from "effect/cli"
import { usageError } from "../../AppError.ts"
import { budgetOf, refusedBudget } from "../../config/budget.ts"
import { writeId, writerFor } from "../../operator/answerWriter.ts"
import { upload } from "../../operator/attachments.ts"
import { followTurn, reactions } from "../../operator/followTurn.ts"
import { findSession, findWorker } from "../../operator/lookup.ts"
import { pageFor, plain, target } from "../../operator/output.ts"
import * as ChatInput from "../../terminal/input/ChatInput.ts"
import { columns } from "../../terminal/output/Output.ts"
import { isInteractive, promptFile } from "../../terminal/PromptSource.ts"
import { format, model, timeout, worker } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

const flags = {
  prompt: Argument.String("prompt").pipe(
    Argument.withDescription("The prompt; - reads it from standard input"),
    Argument.optional
  ),
  file: Flag.String("prompt-file").pipe(
    Flag.withAlias("F"),
    Flag.withMetavar("path"),
    Flag.withDescription("A file that is the prompt; - for standard input"),
    Flag.optional
  ),
  worker,
  session: Flag.String("session").pipe(
    Flag.withAlias("s"),
    Flag.withDescription("Continue this session (default: a new one)"),
    Flag.optional
  ),
  isContinued: Flag.Boolean("continue").pipe(
    Flag.withAlias("c"),
    Flag.withDescription("Continue the session with the latest activity"),
    Flag.withDefault(false)
  ),
  model,
  agent: Flag.String("agent").pipe(Flag.withDescription("The agent (default: OpenCode's choice)"), Flag.optional),
  variant: Flag.String("variant").pipe(
    Flag.withDescription("A variant of the model, such as a reasoning effort"),
    Flag.optional
  ),
  attached: Flag.String("attach").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("A file or an image for the prompt; repeatable"),
    Flag.atLeast(0)
  ),
  isSteered: Flag.Boolean("steer").pipe(
    Flag.withDescription("Deliver the prompt into the turn that runs in the session (default: after it)"),
    Flag.withDefault(false)
  ),
  command: Flag.String("command").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("Run this command of OpenCode, such as init; the prompt is its arguments"),
    Flag.optional
  ),
  detach: Flag.Boolean("detach").pipe(
    Flag.withDescription("Print the turn's id when the prompt is stored, and exit"),
    Flag.withDefault(false)
  ),
  onRequest: Flag.Literals("on-request", reactions).pipe(
    Flag.withDescription(
      "When the agent asks: ask you (default at a terminal), fail with exit code 5 and leave it waiting (default elsewhere), deny, or wait for another operator"
    ),
    Flag.optional
  ),
  timeout,
  budget: Flag.String("budget").pipe(
    Flag.withMetavar("amount"),
    Flag.withDescription(
      "Stop the turn when its use, with that of its sub-agents, exceeds this: 2USD, 500000tokens, or both"
    ),
    Flag.filterMap(budgetOf, refusedBudget),
    Flag.optional
  ),
  format,
  plain,
  key: Flag.String("idempotency-key").pipe(
    Flag.withMetavar("key"),
    Flag.withDescription(
      "The same key sends one prompt, however often the command runs, also after its session was deleted: then it fails with exit code 2"
    ),
    Flag.optional
  )
}

const promptOf = Effect.fnUntraced(function* (
  prompt: Option.Option<string>,
  file: Option.Option<string>,
  isArguments: boolean
) {
  if (isArguments && Option.isNone(file)) return Option.getOrElse(prompt, () => "")
  if (Option.isSome(prompt) === Option.isSome(file)) {
    return yield* usageError("Give the prompt as an argument, or a file with -F, or - for standard input.")
  }
  if (Option.isSome(file)) return yield* promptFile(file.value)
  const text = Option.getOrElse(prompt, () => "")
  if (text === "-") return yield* promptFile("-")
  return text.trim() === "" ? yield* usageError("The prompt is empty.") : text
})

export const send = operatorCommand(
  "send",
  descriptions.send,
  flags,
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { command } = given
    const text = yield* promptOf(given.prompt, given.file, Option.isSome(command))
    // Checked first, so that a prompt that is refused leaves no empty session.
    if (text.length > MAX_PROMPT) {
      return yield* usageError(`The prompt has ${text.length} characters; it takes at most ${MAX_PROMPT}.`)
    }
    if (Option.isSome(given.model) && !/^[^/]+\/./.test(given.model.value)) {
      return yield* usageError("--model is written provider/model, as opencode-worker workers models lists them.")
    }
    if (given.isContinued && Option.isSome(given.key)) {
      return yield* usageError(
        "--continue may choose another session when the command runs again: name one with --session, or leave out --idempotency-key."
      )
    }
    if (given.isSteered && Option.isSome(command)) {
      return yield* usageError("A command of OpenCode cannot steer: leave out --steer, or --command.")
    }
    const isAtTerminal = yield* isInteractive
    const onRequest = Option.getOrElse(given.onRequest, () => (isAtTerminal ? "ask" : "fail"))
    if (onRequest === "ask" && !isAtTerminal) {
      return yield* usageError("--on-request ask needs a person at a terminal: use fail, deny or wait.")
    }
    const keyed = Option.match(given.key, { onNone: () => ({}), onSome: (idempotencyKey) => ({ idempotencyKey }) })
    const sessionOf = Effect.gen(function* () {
      if (Option.isSome(given.session)) return (yield* findSession(given.session.value)).sessionId
      const { workerId } = yield* findWorker(given.worker)
      if (given.isContinued) {
        const latest = client.stream(({ sessions }) => sessions.list({ workerId }))
        const [session] = yield* Stream.runCollect(Stream.take(latest, 1))
        return session?.sessionId ?? (yield* usageError("There is no session to continue: leave out --continue."))
      }
      return yield* client.call(({ sessions }) => sessions.create(workerId, keyed))
    })
    const sessionId = yield* sessionOf
    const optional = {
      ...(Option.isSome(given.model) && { model: given.model.value }),
      ...(Option.isSome(given.agent) && { agent: given.agent.value }),
      ...(Option.isSome(given.variant) && { variant: given.variant.value }),
      ...(Option.isSome(given.budget) && { budget: given.budget.value }),
      files: yield* upload(given.attached),
      ...keyed
    }
    const delivery = given.isSteered ? { delivery: "steer" as const } : {}
    const turnId = yield* client.call(({ turns }) =>
      Option.isSome(command)
        ? turns.command(sessionId, command.value, text, optional)
        : turns.send(sessionId, text, { ...optional, ...delivery })
    )
    const ids = { sessionId, turnId }
    if (given.detach) return yield* writeId(ids)
    const { style } = yield* target
    const person = onRequest === "ask" ? { input: yield* ChatInput.make, style, columns: columns() } : undefined
    const writer = writerFor(given.format, yield* pageFor(given.plain), ids)
    const followed = followTurn({ turnId, writer, onRequest, person, timeout: given.timeout, stop: true })
    yield* person === undefined ? followed : Effect.raceFirst(followed, person.input.quit)
  })
)
