/** The command tree. A command is loaded when the command line names it, because loading all takes several times longer. */
import { Effect, Runtime } from "effect"
import { CliError, Command, Completions } from "effect/cli"
import { exitCodes } from "./AppError.ts"
import { descriptions } from "./commands/descriptions.ts"
import { examples } from "./commands/examples.ts"
import { packageVersion } from "./info/version.ts"

const commands = {
  dev: () => import("./commands/dev.ts").then(({ dev }) => Command.withExamples(dev, examples.dev)),
  start: () => import("./commands/start.ts").then(({ start }) => Command.withExamples(start, examples.start)),
  serve: () => import("./commands/serve.ts").then(({ serve }) => Command.withExamples(serve, examples.serve)),
  chat: () => import("./commands/operator/chat.ts").then(({ chat }) => Command.withExamples(chat, examples.chat)),
  send: () => import("./commands/operator/send.ts").then(({ send }) => Command.withExamples(send, examples.send)),
  inbox: () => import("./commands/operator/inbox.ts").then(({ inbox }) => Command.withExamples(inbox, examples.inbox)),
  watch: () => import("./commands/operator/watch.ts").then(({ watch }) => watch),
  allow: () =>
    import("./commands/operator/requests.ts").then(({ allow }) => Command.withExamples(allow, examples.allow)),
  deny: () => import("./commands/operator/requests.ts").then(({ deny }) => deny),
  answer: () =>
    import("./commands/operator/requests.ts").then(({ answer }) => Command.withExamples(answer, examples.answer)),
  search: () => import("./commands/operator/search.ts").then(({ search }) => search),
  sessions: () =>
    import("./commands/operator/sessions.ts").then(({ sessions }) => Command.withExamples(sessions, examples.sessions)),
  turns: () => import("./commands/operator/turns.ts").then(({ turns }) => Command.withExamples(turns, examples.turns)),
  workers: () =>
    import("./commands/operator/workers.ts").then(({ workers }) => Command.withExamples(workers, examples.workers)),
  approve: () => import("./commands/approve.ts").then(({ approve }) => Command.withExamples(approve, examples.approve)),
  rotate: () => import("./commands/rotate.ts").then(({ rotate }) => rotate),
  doctor: () => import("./commands/doctor.ts").then(({ doctor }) => Command.withExamples(doctor, examples.doctor)),
  attach: () => import("./commands/attach.ts").then(({ attach }) => attach),
  status: () => import("./commands/status.ts").then(({ status }) => status),
  config: () => import("./commands/config.ts").then(({ config }) => Command.withExamples(config, examples.config)),
  service: () => import("./commands/service.ts").then(({ service }) => Command.withExamples(service, examples.service)),
  login: () => import("./commands/operator/login.ts").then(({ login }) => Command.withExamples(login, examples.login)),
  logout: () => import("./commands/operator/login.ts").then(({ logout }) => logout),
  whoami: () => import("./commands/operator/login.ts").then(({ whoami }) => whoami),
  context: () => import("./commands/operator/login.ts").then(({ context }) => context),
  devices: () => import("./commands/operator/devices.ts").then(({ devices }) => devices),
  approvals: () => import("./commands/operator/approvals.ts").then(({ approvals }) => approvals),
  usage: () => import("./commands/operator/usage.ts").then(({ usage }) => usage),
  notify: () => import("./commands/operator/notify.ts").then(({ notify }) => notify),
  completion: () => import("./commands/completion.ts").then(({ completion }) => completion)
}

type Name = keyof typeof descriptions

const isName = (word: string): word is Name => Object.hasOwn(descriptions, word)

const names = Object.keys(descriptions).filter(isName)

/** A command that the command line does not name: its line in the help. */
const unused = (name: Name) => Promise.resolve(Command.make(name).pipe(Command.withDescription(descriptions[name])))

/** All commands; those that the arguments name with their flags. */
const load = Effect.promise(async () => {
  const words = process.argv.slice(2)
  const isCompletion = words[0] === "complete"
  const isAll = isCompletion || words.some((word) => /^--(?:completions|wizard)\b/.test(word))
  const found = await Promise.all(
    names.map((name) => (isAll || words.includes(name) ? commands[name]() : unused(name)))
  )
  if (!isCompletion) return found
  const { complete } = await import("./commands/completion.ts")
  const root = Command.make("opencode-worker").pipe(Command.withSubcommands(found))
  return [...found, complete(() => Completions.fromCommand(root))]
})

/** An invalid command line, which was already reported. */
const withUsageCode = <E>(error: E): E =>
  CliError.isCliError(error) && error._tag === "ShowHelp" && error.errors.length > 0
    ? Object.assign(error, { [Runtime.errorExitCode]: exitCodes.Usage })
    : error

/** Runs the command that the arguments name. */
export const run = Effect.flatMap(load, (subcommands) =>
  Command.make("opencode-worker").pipe(
    Command.withDescription("Drive an OpenCode agent from anywhere: one server, many sessions, synced through Convex"),
    Command.withSubcommands(subcommands),
    Command.run({ version: packageVersion }),
    Effect.mapError(withUsageCode)
  )
)
