/** The commands of a chat, which begin with a slash. */
import type {
  Catalog,
  Client as Operator,
  CommandId,
  Session,
  SessionId,
  Turn,
  WorkerId
} from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import type { ConvexClientError } from "@opencode-worker/effect-convex"
import { Clock, Effect, Option, Stream } from "effect"
import { type AppError, usageError } from "../../AppError.ts"
import type { ChatInput } from "../../terminal/input/ChatInput.ts"
import { highlight } from "../../terminal/markdown/highlight.ts"
import { columns, print, printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { page } from "../../terminal/pager.ts"
import type { Page } from "../../terminal/Transcript.ts"
import { age } from "../age.ts"
import { upload } from "../attachments.ts"
import { findSession, prefixLength } from "../lookup.ts"
import { table } from "../table.ts"
import { runOnWorker } from "../workerCommand.ts"

/** The step after a command that leaves the session. */
export type Next = { readonly to: "exit" | "new" } | { readonly to: "session"; readonly session: Session }

/** The choices for the next prompts. */
export interface Settings {
  model: string | undefined
  agent: string | undefined
  readonly attached: Array<{ readonly path: string; readonly file: Effect.Success<ReturnType<typeof upload>>[number] }>
}

export interface ChatContext {
  readonly workerId: WorkerId
  /** Undefined before the first prompt of a new session. */
  readonly sessionId: SessionId | undefined
  /** The newest turns, in their order. */
  readonly turns: ReadonlyArray<Turn>
  readonly input: ChatInput
  readonly page: Page
  readonly settings: Settings
  /** Ids of the worker's models. */
  readonly models: ReadonlyArray<string>
  /** OpenCode's own commands in the worker's directory. */
  readonly offered: ReadonlyArray<Offered>
  readonly steer: (text: string) => Effect.Effect<void, AppError | ConvexClientError, Client>
  readonly command: (name: string, rest: string) => Effect.Effect<void, AppError | ConvexClientError, Client>
}

/** A command of OpenCode. */
export type Offered = Pick<Catalog["commands"][number], "name" | "description">

type Run = (context: ChatContext, rest: string) => Effect.Effect<Next | void, AppError | ConvexClientError, Client>

interface SlashCommand {
  readonly name: string
  readonly argument?: string
  readonly description: string
  readonly run: Run
}

const sessionOf = ({ sessionId }: ChatContext) =>
  sessionId === undefined ? usageError("Send a prompt first: this session is new.") : Effect.succeed(sessionId)

/** An action of the worker on the session. */
const onSession = (done: string, start: (actions: Operator, sessionId: SessionId) => Promise<CommandId>): Run =>
  Effect.fnUntraced(function* (context) {
    const sessionId = yield* sessionOf(context)
    yield* runOnWorker((operator) => start(operator, sessionId))
    yield* printLine(screen`  (${done})`)
  })

/** Sets a choice, or without an argument shows it. */
const choose = (name: "model" | "agent", check: (context: ChatContext, text: string) => string | undefined): Run =>
  Effect.fnUntraced(function* (context, rest) {
    const { settings } = context
    if (rest === "") return yield* printLine(screen`  (${name}: ${settings[name] ?? "OpenCode's choice"})`)
    const problem = check(context, rest)
    if (problem !== undefined) return yield* usageError(problem)
    settings[name] = rest === "default" ? undefined : rest
  })

const lastTurn = (context: ChatContext) => {
  const ended = context.turns.findLast(({ finishedAt }) => finishedAt !== null)
  return ended === undefined ? usageError("No turn has ended in this session.") : Effect.succeed(ended)
}

const listSessions: Run = Effect.fnUntraced(function* ({ page: { style }, workerId }) {
  const client = yield* Client
  const latest = client.stream(({ sessions }) => sessions.list({ workerId }))
  const rows = yield* Stream.runCollect(Stream.take(latest, 10))
  const now = yield* Clock.currentTimeMillis
  const length = prefixLength(rows.map(({ sessionId }) => sessionId))
  const shown = table(
    [
      { name: "ID", value: ({ sessionId }) => sessionId.slice(0, length) },
      { name: "AGE", value: ({ lastActivityAt }) => age(now - lastActivityAt) },
      { name: "TITLE", value: ({ title }) => title, shrinks: true }
    ],
    rows,
    { style, width: columns() }
  )
  yield* print(screen`${shown}  (/open ID continues one)\n`)
})

const showDiff: Run = Effect.fnUntraced(function* (context) {
  const client = yield* Client
  const turn = yield* lastTurn(context)
  const changes = yield* client.call(({ turns }, options) => turns.changes(turn.turnId, options))
  if (changes === null) return yield* printLine(screen`  (The last turn changed no files.)`)
  const lines = highlight(context.page.style, changes.patch, "diff")
  yield* page(context.input, ScreenText.join(lines, "\n"))
})

const slashCommands: ReadonlyArray<SlashCommand> = [
  { name: "/help", description: "List these commands", run: ({ offered }) => print(help(offered)) },
  {
    name: "/steer",
    argument: "prompt",
    description: "Send a prompt into the turn that runs",
    run: (context, rest) => (rest === "" ? usageError("Write the prompt after /steer.") : context.steer(rest))
  },
  {
    name: "/model",
    argument: "provider/model",
    description: "Choose the model of the next prompts; default: OpenCode's choice",
    run: choose("model", ({ models }, text) =>
      text === "default" || models.length === 0 || models.includes(text)
        ? undefined
        : `The worker has no model ${text}: Tab completes the names.`
    )
  },
  {
    name: "/agent",
    argument: "name",
    description: "Choose the agent of the next prompts; default: OpenCode's choice",
    run: choose("agent", () => undefined)
  },
  {
    name: "/attach",
    argument: "file",
    description: "Attach a file of this machine to the next prompt",
    run: Effect.fnUntraced(function* ({ settings }, rest) {
      if (rest === "") return yield* usageError("Write the path of the file after /attach.")
      const [file] = yield* upload([rest])
      if (file !== undefined) settings.attached.push({ path: rest, file })
    })
  },
  { name: "/diff", description: "Show the changes of the last turn", run: showDiff },
  {
    name: "/undo",
    description: "Undo the last turn, with its changes of files",
    run: Effect.fnUntraced(function* (context) {
      const sessionId = yield* sessionOf(context)
      const { turnId } = yield* lastTurn({ ...context, turns: context.turns.filter(({ undone }) => !undone) })
      yield* runOnWorker(({ sessionActions }) => sessionActions.undo(sessionId, turnId))
      yield* printLine(screen`  (The last turn is undone; /redo takes that back.)`)
    })
  },
  {
    name: "/redo",
    description: "Take an undo back",
    run: onSession("The undo is taken back.", ({ sessionActions }, id) => sessionActions.redo(id))
  },
  {
    name: "/compact",
    description: "Replace the older part of the session by a summary, for the model",
    run: onSession("The session is compacted.", ({ sessionActions }, id) => sessionActions.compact(id))
  },
  {
    name: "/rename",
    argument: "title",
    description: "Rename the session",
    run: (context, rest) =>
      rest === ""
        ? usageError("Write the title after /rename.")
        : onSession("Renamed.", ({ sessions }, id) => sessions.rename(id, rest))(context, rest)
  },
  { name: "/new", description: "Start a new session", run: () => Effect.succeed({ to: "new" as const }) },
  { name: "/sessions", description: "List the latest sessions", run: listSessions },
  {
    name: "/open",
    argument: "id",
    description: "Continue another session",
    run: (_, rest) => Effect.map(findSession(rest), (session) => ({ to: "session" as const, session }))
  },
  { name: "/exit", description: "Leave; a turn that runs goes on", run: () => Effect.succeed({ to: "exit" as const }) }
]

const row = ({ argument = "", description, name }: Hint): ScreenText =>
  screen`  ${ScreenText.line(`${name} ${argument}`.padEnd(24))} ${ScreenText.line(description)}\n`

const ownOf = (name: string) => slashCommands.find((each) => each.name === name)

/** OpenCode's commands as hints. The commands of the chat win. */
const hintsOf = (offered: ReadonlyArray<Offered>): ReadonlyArray<Hint> =>
  offered
    .map(({ description, name }) => ({ name: `/${name}`, argument: "…", description: description ?? "" }))
    .filter(({ name }) => ownOf(name) === undefined)

const help = (offered: ReadonlyArray<Offered>): ScreenText => {
  const hidden = offered.map(({ name }) => `/${name}`).filter((name) => ownOf(name) !== undefined)
  const hints = hintsOf(offered)
  return ScreenText.join([
    ...slashCommands.map(row),
    ...(hints.length === 0 ? [] : [screen`  OpenCode's own commands:\n`, ...hints.map(row)]),
    ...(hidden.length === 0
      ? []
      : [
          screen`  OpenCode's ${ScreenText.line(hidden.join(", "))} cannot be used here: the chat's own command has the name.\n`
        ]),
    screen`  Alt-Enter, or \\ before Enter, begins a new line. Up and Down recall prompts. Esc stops, Ctrl-D leaves.\n`
  ])
}

/** A command in the help and while it is typed. */
export type Hint = Omit<SlashCommand, "run">

interface Typed {
  readonly run: Run
  readonly rest: string
  /** The transcript shows it as the prompt of a turn. */
  readonly isTurn: boolean
}

const word = /^\/(\S+)(?:\s+([^]*))?$/

/**
 * The command of a text, or none if it is a prompt: first those of the chat, then those of OpenCode. An unknown command is no
 * prompt, but a path is one.
 */
export const commandOf = (text: string, offered: ReadonlyArray<Offered>): Option.Option<Typed> => {
  const [, name = "", given = ""] = word.exec(text.trim()) ?? []
  const rest = given.trim()
  const own = ownOf(`/${name}`)
  if (own !== undefined) return Option.some({ run: own.run, rest, isTurn: false })
  if (offered.some((each) => each.name === name)) {
    return Option.some({ run: (context) => context.command(name, rest), rest, isTurn: true })
  }
  if (!/^[a-z][a-z-]*$/.test(name)) return Option.none()
  const unknown: Run = () =>
    usageError(`There is no command /${name}: /help lists them. A space before it sends it as a prompt.`)
  return Option.some({ run: unknown, rest, isTurn: false })
}

/** The commands that begin with a typed text. */
export const hintsFor = (text: string, offered: ReadonlyArray<Offered>): ReadonlyArray<Hint> =>
  /^\/\S*$/.test(text) ? [...slashCommands, ...hintsOf(offered)].filter(({ name }) => name.startsWith(text)) : []

/** The texts that may replace a typed one. */
export const completionsOf = (
  text: string,
  models: ReadonlyArray<string>,
  offered: ReadonlyArray<Offered>
): ReadonlyArray<string> => {
  const [, model] = /^\/model\s+(\S*)$/.exec(text) ?? []
  if (model !== undefined) return models.filter((id) => id.startsWith(model)).map((id) => `/model ${id}`)
  return hintsFor(text, offered).map(({ argument, name }) => (argument === undefined ? name : `${name} `))
}
