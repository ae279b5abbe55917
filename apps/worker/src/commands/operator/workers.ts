/** `opencode-worker workers …`: the machines of a deployment. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { findWorker, prefixLength } from "../../operator/lookup.ts"
import { json, printRows } from "../../operator/output.ts"
import { runOnWorker } from "../../operator/workerCommand.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { printAudit } from "./audit.ts"
import { confirmed, yes } from "./confirmed.ts"
import { limit } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { cat, diff, files, servers } from "./workerFiles.ts"
import { descriptions } from "../descriptions.ts"

const named = Argument.String("worker").pipe(
  Argument.withDescription("Its machine, the name of its directory, or the start of its id (default: the only worker)"),
  Argument.optional
)

const ls = operatorCommand(
  "ls",
  "List your workers, approved ones first",
  { json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const rows = yield* client.call((operator, options) => operator.workers.list(options))
    const length = prefixLength(rows.map(({ workerId }) => workerId))
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`No workers yet: opencode-worker start shows a code, which opencode-worker approve accepts.`,
      columns: (since) => [
        { name: "ID", value: ({ workerId }) => workerId.slice(0, length) },
        { name: "MACHINE", value: ({ machine }) => machine, shrinks: true },
        {
          name: "STATE",
          value: ({ approval, online, phase }) => (approval === "revoked" ? "revoked" : online ? phase : "offline")
        },
        { name: "SEEN", value: ({ lastSeenAt, online }) => (online ? "now" : since(lastSeenAt)) },
        { name: "RUNNING", value: ({ running }) => String(running) },
        { name: "QUEUED", value: ({ queued }) => String(queued) },
        { name: "VERSION", value: ({ info }) => info?.version ?? "" },
        { name: "BRANCH", value: ({ info }) => info?.branch ?? "", shrinks: true },
        { name: "DIRECTORY", value: ({ directory }) => directory, shrinks: true }
      ]
    })
  })
)

/** A command that the process of the worker executes. Waits until it has. */
const action = (name: "pause" | "resume" | "drain", description: string, done: string) =>
  operatorCommand(
    name,
    description,
    { worker: named },
    Effect.fnUntraced(function* (given) {
      const { machine, workerId } = yield* findWorker(given.worker)
      yield* runOnWorker((operator, options) => operator.workers[name](workerId, options))
      yield* printLine(screen`${ScreenText.line(machine)} ${done}`)
    })
  )

const revoke = operatorCommand(
  "revoke",
  "Take the approval of a worker back, immediately",
  { worker: named, yes },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { directory, machine, workerId } = yield* findWorker(given.worker)
    const where = screen`${ScreenText.line(machine)}, ${ScreenText.line(directory)}`
    yield* confirmed(given.yes, screen`? Revoke ${where}? Its running turns end as interrupted. [y]es, [n]o\n`)
    yield* client.call((operator) => operator.workers.revoke(workerId))
    yield* printLine(screen`Revoked: ${where}`)
  })
)

const audit = operatorCommand(
  "audit",
  "List the security-relevant actions of and on a worker, the newest first",
  { worker: named, limit, json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { workerId } = yield* findWorker(given.worker)
    const newest = client.stream((operator) => operator.workers.audit(workerId))
    yield* printAudit(yield* Stream.runCollect(Stream.take(newest, given.limit)), given.json)
  })
)

const refresh = Flag.Boolean("refresh").pipe(
  Flag.withDescription("Make the worker read them from OpenCode again first"),
  Flag.withDefault(false)
)

/** Tokens, such as `200k` or `1M`. */
const contextOf = (tokens = 0): string => {
  if (tokens === 0) return ""
  return tokens < 1_000_000 ? `${Math.round(tokens / 1_000)}k` : `${Math.round(tokens / 100_000) / 10}M`
}

/** US dollars for a million tokens. */
const priceOf = (price?: number): string => (price === undefined ? "" : price.toFixed(2))

const kindsOf = (kinds: object = {}): string =>
  Object.entries(kinds)
    .filter(([, isRead]) => isRead === true)
    .map(([kind]) => kind)
    .join(" ")

interface Entry {
  readonly name: string
  readonly description?: string | undefined
  readonly mode?: string | undefined
  readonly agent?: string | undefined
  readonly model?: string | undefined
  readonly subtask?: boolean | undefined
}

const models = operatorCommand(
  "models",
  "List the models of a worker, with context and price",
  {
    worker: named,
    isRefreshed: refresh,
    json
  },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { workerId } = yield* findWorker(given.worker)
    if (given.isRefreshed) yield* runOnWorker((operator, options) => operator.models.refresh(workerId, options))
    const catalog = yield* client.call((operator, options) => operator.models.get(workerId, options))
    yield* printRows({
      rows: catalog?.models ?? [],
      json: given.json,
      empty: screen`The worker has published no models yet.`,
      columns: () => [
        { name: "", value: ({ id }) => (id === catalog?.default ? "*" : "") },
        { name: "ID", value: ({ id }) => id },
        { name: "NAME", value: ({ name }) => name, shrinks: true },
        { name: "CONTEXT", value: ({ limit: limits }) => contextOf(limits?.context) },
        { name: "$/M IN", value: ({ cost }) => priceOf(cost?.input) },
        { name: "$/M OUT", value: ({ cost }) => priceOf(cost?.output) },
        { name: "READS", value: ({ capabilities }) => kindsOf(capabilities?.input), shrinks: true },
        { name: "VARIANTS", value: ({ variants = [] }) => variants.join(" "), shrinks: true }
      ]
    })
  })
)

/** A list of the worker's directory. */
const entries = (kind: "agents" | "commands" | "skills", description: string) =>
  operatorCommand(
    kind,
    description,
    { worker: named, isRefreshed: refresh, json },
    Effect.fnUntraced(function* (given) {
      const client = yield* Client
      const { workerId } = yield* findWorker(given.worker)
      if (given.isRefreshed) yield* runOnWorker((operator, options) => operator.models.refresh(workerId, options))
      const catalog = yield* client.call((operator, options) => operator.catalog.get(workerId, options))
      const rows: ReadonlyArray<Entry> = catalog?.[kind] ?? []
      const hints = ({ agent, mode, model, subtask }: Entry) =>
        [mode, agent, model, subtask === true ? "sub-task" : ""].filter(Boolean).join(" ")
      yield* printRows({
        rows,
        json: given.json,
        empty: screen`The directory of the worker has no ${kind}, or the worker has published none yet.`,
        columns: () => [
          { name: "NAME", value: ({ name }) => name },
          ...(kind === "skills" ? [] : [{ name: kind === "agents" ? "MODE" : "RUN BY", value: hints, shrinks: true }]),
          { name: "DESCRIPTION", value: (entry) => entry.description ?? "", shrinks: true }
        ]
      })
    })
  )

export const workers = Command.make("workers").pipe(
  Command.withDescription(descriptions.workers),
  Command.withSubcommands([
    ls,
    action("pause", "Stop taking prompts; running turns continue", "takes no prompts until it is resumed"),
    action("resume", "Take prompts again", "takes prompts again"),
    action("drain", "Finish the running turns, then stop the worker", "stops when its running turns have ended"),
    revoke,
    audit,
    models,
    entries("agents", "List the agents of a worker's directory"),
    entries("commands", "List the commands (/name) of a worker's directory"),
    entries("skills", "List the skills of a worker's directory"),
    files,
    cat,
    diff,
    servers
  ])
)
