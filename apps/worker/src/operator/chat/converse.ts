/** A chat in one session: reads the keyboard, runs commands, and sends prompts at once, so that they are stored. */
import type { SessionId, TurnId, WorkerId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import type { ConvexClientError } from "@opencode-worker/effect-convex"
import { Clock, Deferred, Effect, Option, Ref, Stream, SubscriptionRef } from "effect"
import type { AppError } from "../../AppError.ts"
import { accepted, type Tally } from "../../terminal/Chat.ts"
import type { ChatInput } from "../../terminal/input/ChatInput.ts"
import { print, printLine } from "../../terminal/output/Output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import type { Page } from "../../terminal/Transcript.ts"
import * as ChatScreen from "./ChatScreen.ts"
import * as followSession from "./followSession.ts"
import { type ChatContext, commandOf, completionsOf, type Next, type Offered, type Settings } from "./slashCommands.ts"

export interface ChatOptions {
  readonly workerId: WorkerId
  /** Undefined: the first prompt creates the session. */
  readonly sessionId: SessionId | undefined
  readonly create: Effect.Effect<SessionId, ConvexClientError>
  /** Receives the session of the next prompt when it changes. */
  readonly onSession: (sessionId: SessionId) => void
  /** The turns that are on the screen already. */
  readonly shown: ReadonlySet<TurnId>
  readonly input: ChatInput
  readonly page: Page
  readonly settings: Settings
  readonly tally: Ref.Ref<Tally>
  /** Prompts that are sent first. */
  readonly opening: ReadonlyArray<string>
  /** Whether the turns end before the chat does. Otherwise they go on without it. */
  readonly finishes: boolean
}

export const converse = Effect.fn("converse")(function* (options: ChatOptions) {
  const { create, finishes, input, onSession, opening, page, settings, shown, tally, workerId } = options
  const client = yield* Client
  const session = yield* Deferred.make<SessionId>()
  let sessionId = options.sessionId
  if (sessionId !== undefined) {
    onSession(sessionId)
    yield* Deferred.succeed(session, sessionId)
  }
  let models: ReadonlyArray<string> = []
  let offered: ReadonlyArray<Offered> = []
  const chatScreen = yield* ChatScreen.make(input, page.style, settings, () => offered)
  const follower = yield* followSession.make({ shown, screen: chatScreen, input, page, tally })
  input.setCompletion((typed) => completionsOf(typed, models, offered))

  /** `command`: the name of a command of OpenCode, whose arguments are the text. */
  const send = Effect.fnUntraced(function* (text: string, isSteered: boolean, command?: string) {
    const id = sessionId ?? (yield* create)
    sessionId = id
    onSession(id)
    const at = yield* Clock.currentTimeMillis
    const { agent, attached, model } = settings
    const optional = {
      ...(model !== undefined && { model }),
      ...(agent !== undefined && { agent }),
      files: attached.map(({ file }) => file)
    }
    const turnId = yield* accepted(
      client.call(({ turns }) =>
        command === undefined
          ? turns.send(id, text, { ...optional, ...(isSteered && { delivery: "steer" as const }) })
          : turns.command(id, command, text, optional)
      )
    )
    if (Option.isNone(turnId)) return yield* Ref.update(tally, (sum) => ({ ...sum, refused: sum.refused + 1 }))
    follower.add(turnId.value, { text: command === undefined ? text : `/${command} ${text}`.trim(), at })
    attached.length = 0
    chatScreen.update({})
    yield* Deferred.succeed(session, id)
  })

  const runLine = Effect.fnUntraced(function* (text: string) {
    const command = commandOf(text, offered)
    if (Option.isNone(command)) return yield* send(text, false)
    if (!command.value.isTurn) yield* print(screen`> ${text}\n`)
    const steer = (prompt: string) => send(prompt, true)
    const turns = yield* SubscriptionRef.get(follower.turns)
    const run = (name: string, rest: string) => send(rest, false, name)
    const context: ChatContext = {
      workerId,
      sessionId,
      turns,
      input,
      page,
      settings,
      models,
      offered,
      steer,
      command: run
    }
    const ran: Effect.Effect<Next | void, AppError | ConvexClientError, Client> = command.value.run(
      context,
      command.value.rest
    )
    return yield* ran.pipe(Effect.catch(({ message }) => printLine(screen`  ${message}`)))
  })

  const read = Effect.gen(function* () {
    for (const text of opening) yield* send(text, false)
    while (true) {
      const text = yield* input.entered
      const next: Next | void = Option.isSome(text) ? yield* runLine(text.value) : { to: "exit" }
      if (next !== undefined) return next
    }
  })

  /** Of the worker and the connection, for the rows above the prompt. */
  const watch = Effect.all(
    [
      Stream.runForEach(
        client.stream(({ workers }) => workers.watch()),
        (all) => Effect.sync(() => chatScreen.update({ worker: all.find((each) => each.workerId === workerId) }))
      ),
      Effect.flatMap(
        client.call((operator, signal) => operator.models.get(workerId, signal)),
        (catalog) => Effect.sync(() => void (models = (catalog?.models ?? []).map(({ id }) => id)))
      ),
      Effect.map(
        client.call((operator, signal) => operator.catalog.get(workerId, signal)),
        (catalog) => {
          offered = catalog?.commands ?? []
          chatScreen.update({})
        }
      )
    ],
    { concurrency: "unbounded", discard: true }
  )
  const following = Effect.flatMap(Deferred.await(session), follower.run)
  const background = Effect.all([Effect.andThen(watch, Effect.never), following, chatScreen.tick], {
    concurrency: "unbounded",
    discard: true
  }).pipe(Effect.andThen(Effect.never))
  const reading = finishes ? Effect.tap(read, () => follower.settled) : read
  const next = yield* input
    .onEscape(follower.stop)(Effect.raceFirst(reading, background))
    .pipe(Effect.provideService(Client, client), Effect.ensuring(Effect.sync(() => input.setRows(() => []))))
  return {
    next,
    sessionId,
    isRunning: (yield* SubscriptionRef.get(follower.turns)).some(({ finishedAt }) => finishedAt === null)
  }
})
