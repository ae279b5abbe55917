/**
 * The parts of a turn, each in a separate process that can be killed. All parts except the model are real.
 *
 * ```
 *   operator ─────────────▶ deployment (process)
 *                                ▲
 *                           fault proxy ◀── worker (process) ──▶ OpenCode (process) ──▶ scripted model
 *                                                                    └── tools (processes)
 * ```
 */
import { execFile } from "node:child_process"
import { constants } from "node:fs"
import { open, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { type SessionId, TurnView } from "@opencode-worker/client"
import {
  openCodeProgram,
  processesOf,
  type Running,
  signal,
  startDeployment,
  startProcess,
  startWorker,
  workerProgram
} from "@opencode-worker/harness"
import { FaultProxy, OpenCodeHome, ScriptedProvider } from "@opencode-worker/testkit"
import { Context, Effect, Fiber, Layer, Option, Schedule, Scope, Stream } from "effect"
import { NotReached, until, within } from "./NotReached.ts"
import { makeNotifications } from "./Notifications.ts"
import { makeOperator, textOf } from "./Operator.ts"
import {
  fifoOf,
  fileOf,
  ignoredFiles,
  type Kind,
  type Length,
  makePlan,
  permissions,
  type Plan,
  type Prompt,
  script,
  traceOf
} from "./Prompt.ts"

/** Turns whose status is watched after their end: a connection may have 1,000 subscriptions. */
const mostWatched = 200

/** Lines. Enough for an error with its stack. */
const linesOfLastWords = 30

interface SendOptions {
  readonly delivery?: "queue" | "steer"
  /** A file is attached. */
  readonly hasFile?: boolean
  readonly length?: Length
}

/** Runs a promise of the harness. */
const reached = <A>(wait: () => Promise<A>) =>
  Effect.tryPromise({ try: wait, catch: (cause) => new NotReached({ problem: String(cause) }) })

/** Acquires a part. When the scope closes, the part is killed. */
const killed = (start: () => Running) =>
  Effect.acquireRelease(Effect.sync(start), (running) => Effect.promise(() => running.end("SIGKILL")))

const make = Effect.gen(function* () {
  const plans = new Map<string, Plan>()
  const provider = yield* ScriptedProvider.make(script(plans))
  const notifications = yield* makeNotifications
  // An undo needs OpenCode's snapshots.
  const config = { ...provider.config, permission: permissions, snapshot: true }
  const home = yield* OpenCodeHome.make({ config })
  yield* Effect.promise(() => writeFile(join(home.directory, ".gitignore"), ignoredFiles))
  const deployment = yield* Effect.acquireRelease(
    Effect.promise(() => startDeployment(join(home.root, "deployment"), { OPENCODE_WORKER_NOTIFY_LOCAL: "1" })),
    ({ kill }) => Effect.promise(kill)
  )
  const token = Effect.promise(deployment.token)
  const proxy = yield* FaultProxy.make({ port: deployment.port })
  const operator = yield* makeOperator(deployment.url, token)
  const scope = yield* Effect.scope

  const approve = Effect.fnUntraced(function* (code: string) {
    const OPENCODE_WORKER_TOKEN = yield* token
    const child = yield* killed(() =>
      startProcess({
        program: process.execPath,
        args: [workerProgram, "approve", code, "--yes", "--url", deployment.url],
        environment: { ...home.environment, OPENCODE_WORKER_TOKEN }
      })
    )
    yield* reached(() => child.prints(/^Approved/m))
  }, Effect.scoped)

  let worker: Running | undefined
  const running = Effect.orDie(Effect.suspend(() => Effect.fromNullishOr(worker)))
  const end = (how: "SIGKILL" | "SIGTERM") =>
    Effect.flatMap(running, (child) =>
      within(
        "the worker to end",
        Effect.promise(() => child.end(how))
      )
    )
  const launch = Effect.gen(function* () {
    const { directory, environment, root } = home
    const options = { url: proxy.url, directory, environment, data: join(root, "worker") }
    const child = yield* killed(() => startWorker({ ...options, flags: ["--opencode", openCodeProgram] })).pipe(
      Scope.provide(scope)
    )
    worker = child
    const [, code] = yield* reached(() => child.prints(/^Pairing code +(\S+)|^Ready/m))
    if (code !== undefined) yield* approve(code)
    yield* reached(() => child.prints(/^Ready/m))
  })
  yield* launch
  yield* operator.call(({ notifications: { add } }) => add({ kind: "webhook", url: notifications.url }))

  const processes = Effect.promise(() => processesOf(home.root))
  const openCode = Effect.map(processes, (all) =>
    Option.fromUndefinedOr(all.find(({ command }) => command.includes("/opencode serve ")))
  )

  const sessions = new Set<string>()
  /** Sessions that had a prompt which makes OpenCode compact. */
  const compacting = new Set<string>()
  let prompts = 0
  const sent: Array<Prompt> = []
  /** Of the newest prompts. */
  const watchers: Array<Fiber.Fiber<void, unknown>> = []
  const send = Effect.fnUntraced(function* (
    sessionId: SessionId,
    kind: Kind,
    { delivery = "queue", hasFile = false, length }: SendOptions = {}
  ) {
    const id = `prompt-${++prompts}`
    const followsCompaction = compacting.has(sessionId)
    if (kind === "compaction") compacting.add(sessionId)
    const plan = yield* makePlan(id, kind, { followsCompaction, hasFile, length })
    plans.set(id, plan)
    if (kind === "blocked") {
      yield* Effect.promise(() => promisify(execFile)("mkfifo", [join(home.directory, fifoOf(id))]))
    }
    yield* operator.call(({ sessions: { keepWatched } }) => keepWatched(sessionId))
    const name = { name: `${id}.txt`, type: "text/plain" }
    const files = hasFile
      ? [yield* operator.call((client) => client.files.upload(new TextEncoder().encode(fileOf(id)), name))]
      : []
    const turnId = yield* operator.call(({ turns }) =>
      turns.send(sessionId, id, { idempotencyKey: id, delivery, files })
    )
    const prompt: Prompt = { ...plan, sessionId, turnId }
    yield* operator.views(turnId).pipe(
      Stream.filter(({ end: ended }) => ended === null),
      Stream.runForEach((view) =>
        Effect.sync(() => {
          plan.shown.text = textOf(view, "text")
          plan.shown.notices = textOf(view, "notice")
        })
      ),
      Effect.forkIn(scope)
    )
    const watcher = yield* operator.statuses(turnId).pipe(
      Stream.filter(TurnView.isFinal),
      Stream.runForEach((status) => Effect.sync(() => plan.ends.add(status))),
      Effect.forkIn(scope)
    )
    sent.push(prompt)
    watchers.push(watcher)
    const [oldest] = watchers
    if (watchers.length > mostWatched && oldest !== undefined) {
      watchers.shift()
      yield* Fiber.interrupt(oldest)
    }
    return prompt
  })

  const awaitStatus = (prompt: Prompt, holds: (status: TurnView.TurnStatus) => boolean) =>
    operator.statuses(prompt.turnId).pipe(Stream.filter(holds), Stream.runHead, Effect.flatMap(Effect.fromOption))

  /** Waits until no process of the worker is left. Returns those that stay, and kills them. */
  const leftBehind = Effect.gen(function* () {
    const left = yield* processes.pipe(
      Effect.repeat({ until: (all) => all.length === 0, schedule: Schedule.spaced("100 millis"), times: 100 })
    )
    for (const { pid } of left) signal(pid, "SIGKILL")
    return left
  })

  return {
    home,
    proxy,
    provider,
    /** Expects the notification of the last turn of a session, unless it was aborted. */
    expectNotification: Effect.fnUntraced(function* (sessionId: SessionId) {
      const items = yield* operator.call(({ inbox }) => inbox.list())
      const item = items.find((each) => each.sessionId === sessionId)
      if (item !== undefined) yield* notifications.expect(item)
    }),
    notifications: notifications.check,
    operator,
    deployment: { kill: Effect.promise(deployment.kill), start: Effect.promise(deployment.restart) },
    worker: {
      start: launch,
      kill: end("SIGKILL"),
      stop: end("SIGTERM"),
      isAlive: Effect.map(running, (child) => child.isAlive()),
      lastWords: Effect.map(running, (child) =>
        `${child.stdout()}${child.stderr()}`.trim().split("\n").slice(-linesOfLastWords).join("\n")
      ),
      pid: Effect.map(running, ({ pid }) => pid)
    },
    /** The server's process. */
    openCode: until("OpenCode to run", openCode),
    createSession: Effect.tap(operator.createSession, (sessionId) => Effect.sync(() => sessions.add(sessionId))),
    send,
    awaitStatus: (prompt: Prompt, ...statuses: ReadonlyArray<string>) =>
      within(
        `${prompt.id} to be ${statuses.join(" or ")}`,
        awaitStatus(prompt, (status) => statuses.includes(status))
      ),
    /** Restores the world after a failed case. */
    repair: Effect.gen(function* () {
      yield* proxy.restore
      yield* Effect.promise(deployment.kill)
      yield* Effect.promise(deployment.restart)
      yield* end("SIGKILL")
      yield* leftBehind
      yield* launch
    }),
    /**
     * Stops the worker. Returns the number of processes that it left, of sessions that no operator created, and the prompts
     * that ended again after they were judged.
     */
    finish: Effect.gen(function* () {
      yield* end("SIGTERM")
      const orphans = yield* leftBehind
      const changed = yield* Effect.filter(
        sent,
        ({ ends, turnId }) => Effect.map(operator.readStatus(turnId), (status) => ends.size > 0 && !ends.has(status)),
        { concurrency: 10 }
      )
      const strangers = (yield* operator.sessions).filter(({ sessionId }) => !sessions.has(sessionId))
      return { orphans: orphans.length, strangers: strangers.length, changed: changed.map(({ id }) => id) }
    }),
    /** The final status. */
    ended: (prompt: Prompt) => within(`${prompt.id} to end`, awaitStatus(prompt, TurnView.isFinal)),
    /** Runs of the prompt's command. */
    traces: (prompt: Prompt) =>
      Effect.promise(() => readFile(join(home.directory, traceOf(prompt.id)), "utf8").catch(() => "")).pipe(
        Effect.map((trace) => trace.split("\n").length - 1)
      ),
    /** Lets the model and the tool of a prompt finish, and allows its requests until it ends. */
    letGo: Effect.fnUntraced(function* (prompt: Prompt) {
      yield* Effect.all([prompt.begin.open, prompt.end.open])
      const unblock = Effect.promise(() => release(join(home.directory, fifoOf(prompt.id))))
      const allow = operator
        .pending(prompt.sessionId)
        .pipe(
          Effect.flatMap(
            Effect.forEach((request) =>
              Effect.ignore(operator.call(({ requests }) => requests.answer(request, { type: "once" })))
            )
          )
        )
      const help = prompt.kind === "blocked" ? unblock : prompt.kind === "permission" ? allow : Effect.void
      const untilItEnds = Effect.raceFirst(
        Effect.repeat(help, Schedule.spaced("100 millis")),
        awaitStatus(prompt, TurnView.isFinal)
      )
      yield* Effect.forkIn(Effect.ignore(untilItEnds), scope)
    })
  }
})

/** The parts. Closing the scope ends all their processes. */
export class World extends Context.Service<World, Effect.Success<typeof make>>()("@opencode-worker/chaos/World") {
  static readonly layer = Layer.effect(World, make)
}

/** Releases the reader of a FIFO, if there is one. */
const release = (fifo: string): Promise<void> =>
  open(fifo, constants.O_WRONLY | constants.O_NONBLOCK).then(
    (handle) => handle.close(),
    () => {}
  )
