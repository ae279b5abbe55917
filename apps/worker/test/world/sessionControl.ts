/** Prompts that wait or steer, actions on sessions, and queries to the worker, through the real OpenCode and the real client. */
import { execFileSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import type { CommandId, UndoOptions } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Option, Stream } from "effect"
import { makeJournal } from "../../src/handlers/undo/journal.ts"
import { keep } from "../../src/handlers/undo/kept.ts"
import {
  allSessions,
  answer,
  ask,
  echo,
  limit,
  newSession,
  runWorker,
  schedule,
  script,
  send,
  settled,
  viewOf,
  workerWith
} from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

const steer = (sessionId: Parameters<typeof send>[0], text: string) =>
  Client.use((operator) => operator.call(({ turns }) => turns.send(sessionId, text, { delivery: "steer" })))

const write = (filePath: string) => Reply.toolCall("write", { filePath, content: `${filePath}\n` })

/** Runs a worker until there is none of these. */
const settledBy = <E, R>(state: Effect.Effect<Option.Option<unknown>, E, R>) =>
  Effect.scoped(Effect.andThen(runWorker, Effect.repeat(state, { until: Option.isNone, schedule })))

export const sessionControlTests = inWorld("an operator of a session", (it) => {
  it.effect(
    "steers a running turn, which keeps what it had, and queued prompts follow as they were changed",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHost
        const operator = yield* Client
        const provider = yield* ScriptedProvider
        const gate = join(directory, "gate")
        const tool = Reply.toolCall("bash", {
          command: `until [ -e ${gate} ]; do sleep 0.05; done; echo one`,
          description: "waits"
        })
        yield* script((request) =>
          request.lastUserText === "work" && request.toolResults.length === 0
            ? Reply.sequence([Reply.text("I work."), tool])
            : echo({ ...request, toolResults: [] })
        )
        const sessionId = yield* newSession
        yield* runWorker
        const first = yield* send(sessionId, "work")
        yield* operator
          .stream(({ turns }) => turns.follow(first))
          .pipe(
            Stream.filter(({ blocks }) => blocks.some(({ kind }) => kind === "tool")),
            Stream.runHead
          )
        const [later, dropped, sooner] = [
          yield* send(sessionId, "later"),
          yield* send(sessionId, "dropped"),
          yield* send(sessionId, "sooner")
        ]
        yield* operator.call(({ promptQueue }) => promptQueue.move(sooner, later))
        yield* operator.call(({ promptQueue }) => promptQueue.drop(dropped))
        yield* operator.call(({ promptQueue }) => promptQueue.edit(later, { text: "much later" }))
        const second = yield* steer(sessionId, "rather this")
        yield* Effect.repeat(viewOf(second), { until: ({ status }) => status === "running", schedule })
        assert.strictEqual((yield* viewOf(first)).status, "running")
        const queued = yield* operator.call(({ promptQueue }) => promptQueue.list(sessionId))
        assert.deepStrictEqual(
          queued.map(({ head }) => head),
          ["sooner", "much later"]
        )
        const { chats } = yield* provider.stats
        writeFileSync(gate, "")
        const ended = yield* answer(first)
        assert.deepInclude(ended, { status: "completed", text: "I work." })
        assert.include(ended.notices.join(), "took over")
        assert.deepInclude(yield* answer(second), { status: "completed", text: "2: rather this" })
        assert.strictEqual((yield* answer(sooner)).text, "3: sooner")
        assert.strictEqual((yield* answer(later)).text, "4: much later")
        assert.strictEqual((yield* provider.stats).chats - chats, 3)
        const all = yield* Stream.runCollect(operator.stream(({ turns }) => turns.list(sessionId)))
        assert.deepStrictEqual(
          all.map(({ delivery, head }) => [head, delivery]),
          [
            ["work", "queue"],
            ["rather this", "steer"],
            ["sooner", "queue"],
            ["much later", "queue"]
          ]
        )
      }),
    limit
  )

  it.effect(
    "aborts a steering prompt with the turn that it steers",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        yield* script((request) =>
          request.lastUserText === "work"
            ? Reply.sequence([
                Reply.text("I work."),
                Reply.toolCall("bash", { command: "sleep 600", description: "waits" })
              ])
            : echo(request)
        )
        const sessionId = yield* newSession
        yield* runWorker
        const first = yield* send(sessionId, "work")
        yield* operator
          .stream(({ turns }) => turns.follow(first))
          .pipe(
            Stream.filter(({ blocks }) => blocks.some(({ kind }) => kind === "tool")),
            Stream.runHead
          )
        const second = yield* steer(sessionId, "rather this")
        yield* Effect.repeat(viewOf(second), { until: ({ status }) => status === "running", schedule })
        yield* operator.call(({ turns }) => turns.abort(second))
        assert.deepInclude(yield* answer(second), { status: "aborted", text: "" })
        assert.deepInclude(yield* answer(first), { status: "aborted", text: "I work." })
        assert.strictEqual((yield* answer(yield* send(sessionId, "next"))).status, "completed")
      }),
    limit
  )

  it.effect(
    "undoes a turn unless a person has changed its files since, and redoes it",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHost
        const operator = yield* Client
        const [a, b] = [join(directory, "a.txt"), join(directory, "b.txt")]
        yield* script((request) => {
          if (request.lastUserText !== "write" || request.toolResults.length > 1) return Reply.text("done")
          return write(request.toolResults.length === 0 ? a : b)
        })
        const sessionId = yield* newSession
        yield* runWorker
        yield* ask(sessionId, "hello")
        const turnId = yield* send(sessionId, "write")
        assert.strictEqual((yield* answer(turnId)).status, "completed")
        const changes = yield* operator.call(({ turns }) => turns.changes(turnId))
        assert.deepStrictEqual(
          changes?.files.map(({ additions, file, status }) => [file, status, additions]),
          [
            ["a.txt", "added", 1],
            ["b.txt", "added", 1]
          ]
        )
        assert.include(changes?.patch, `+${a}`)
        const undo = (options: UndoOptions) =>
          Effect.flatMap(
            operator.call(({ sessionActions }) => sessionActions.undo(sessionId, turnId, options)),
            settled
          )
        const undone = Effect.map(Stream.runCollect(operator.stream(({ turns }) => turns.list(sessionId))), (all) =>
          all.map((turn) => turn.undone)
        )
        writeFileSync(a, "a person's line\n")
        const refused = yield* undo({})
        assert.strictEqual(refused?.status, "failed")
        assert.include(refused?.error, "a.txt")
        assert.deepInclude(JSON.parse(refused?.result ?? ""), { undone: false })
        const preview = yield* undo({ preview: true })
        assert.deepStrictEqual(
          JSON.parse(preview?.result ?? "").files.map(({ changed, file }: { changed: boolean; file: string }) => [
            file,
            changed
          ]),
          [
            ["a.txt", true],
            ["b.txt", false]
          ]
        )
        assert.deepStrictEqual(
          [yield* undone, readFileSync(a, "utf8"), existsSync(b)],
          [[false, false], "a person's line\n", true]
        )

        assert.strictEqual((yield* undo({ skip: ["a.txt"] }))?.status, "done")
        assert.deepStrictEqual([readFileSync(a, "utf8"), existsSync(b)], ["a person's line\n", false])
        yield* Effect.repeat(undone, { until: ([, second]) => second === true, schedule })

        const redo = (force: boolean) =>
          Effect.flatMap(
            operator.call(({ sessionActions }) => sessionActions.redo(sessionId, { force })),
            settled
          )
        const other = join(directory, "other.txt")
        writeFileSync(other, "written after the undo")
        assert.include((yield* redo(false))?.error, "other.txt")
        assert.strictEqual((yield* redo(true))?.status, "done")
        assert.deepStrictEqual([readFileSync(a, "utf8"), readFileSync(b, "utf8")], ["a person's line\n", `${b}\n`])
        yield* Effect.repeat(undone, { until: ([, second]) => second === false, schedule })
      }),
    limit
  )

  it.effect(
    "compares every file of an undo, and the content of the directory before a redo",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHost
        const operator = yield* Client
        const many = join(directory, "many")
        const fileOf = (index: number) => join(many, `${index}.txt`)
        const command = `mkdir ${many}; for i in $(seq 250); do echo $i > ${many}/$i.txt; done; echo wrote`
        const tool = Reply.toolCall("bash", { command, description: "writes" })
        yield* script((request) => (request.toolResults.length === 0 ? tool : Reply.text("done")))
        const sessionId = yield* newSession
        yield* runWorker
        const turnId = yield* send(sessionId, "write many")
        assert.strictEqual((yield* answer(turnId)).status, "completed")
        const act = (start: Parameters<typeof operator.call<CommandId>>[0]) =>
          Effect.flatMap(operator.call(start), settled)
        const undo = (options: UndoOptions) =>
          act(({ sessionActions }) => sessionActions.undo(sessionId, turnId, options))

        // Most files have a hash in the deployment, and this one has not, or was changed.
        writeFileSync(fileOf(249), "a person's line\n")
        const refused = yield* undo({ force: ["many/1.txt"] })
        assert.deepInclude(refused, { status: "failed" })
        assert.strictEqual(readFileSync(fileOf(249), "utf8"), "a person's line\n")
        assert.isTrue(JSON.parse(refused?.result ?? "").truncated)
        const undone = yield* undo({ force: ["many"], skip: ["many/249.txt"] })
        assert.deepInclude(undone, { status: "done", error: null })
        assert.deepStrictEqual(readdirSync(many), ["249.txt"])

        // A tool that keeps the times of the files that it writes.
        const other = join(directory, "notes.md")
        writeFileSync(other, "a person's notes\n")
        utimesSync(other, 1_000, 1_000)
        const redo = (force: boolean) => act(({ sessionActions }) => sessionActions.redo(sessionId, { force }))
        assert.include((yield* redo(false))?.error, "notes.md")
        rmSync(other)
        // A session that is written after the change of a person.
        writeFileSync(fileOf(249), "another line\n")
        yield* act(({ sessions }) => sessions.rename(sessionId, "renamed"))
        assert.include((yield* redo(false))?.error, "249.txt")
        writeFileSync(fileOf(249), "a person's line\n")
        assert.deepInclude(yield* redo(false), { status: "done", error: null })
        assert.lengthOf(readdirSync(many), 250)
      }),
    limit
  )

  it.effect(
    "leaves no file half reverted if the worker ends in the middle of an undo",
    () =>
      Effect.gen(function* () {
        const { client, directory } = yield* OpenCodeHost
        const { root } = yield* OpenCodeHome
        const undos = join(root, "worker.json.undo")
        const [one, two] = [join(directory, "one.txt"), join(directory, "two.txt")]
        yield* script((request) =>
          request.toolResults.length > 1 ? Reply.text("done") : write(request.toolResults.length === 0 ? one : two)
        )
        const sessionId = yield* newSession
        yield* Effect.scoped(Effect.andThen(runWorker, ask(sessionId, "write")))
        const { id } = (yield* client.sessions.list({ limit: 1 }))[0] ?? { id: "" }
        const { messages } = yield* client.messages.list(id)
        const messageId = messages.find(({ info }) => info.role === "user")?.info.id ?? ""

        writeFileSync(one, "a person's line\n")
        const journal = makeJournal(undos, id)
        const begun = Effect.gen(function* () {
          yield* journal.prepare
          const files = yield* Effect.forEach([one, two], (path, index) =>
            keep(path, path === one, journal.copies, String(index))
          )
          yield* journal.begin({ messageId, at: Date.now(), files })
        })

        const restarted = settledBy(journal.readUndoing)

        // OpenCode had reverted one of them.
        yield* begun
        rmSync(one)
        yield* restarted
        assert.deepStrictEqual(
          [readFileSync(one, "utf8"), readFileSync(two, "utf8")],
          ["a person's line\n", `${two}\n`]
        )

        // OpenCode had reverted all of them.
        yield* begun
        yield* client.actions.revert(id, messageId)
        assert.isFalse(existsSync(one))
        yield* restarted
        assert.deepStrictEqual([readFileSync(one, "utf8"), existsSync(two)], ["a person's line\n", false])
        assert.isFalse(existsSync(journal.copies))

        // A redo that OpenCode had begun.
        const undone = yield* Effect.flatMap(journal.readUndone, Effect.fromOption)
        yield* journal.remember({ ...undone, isRedoing: true })
        yield* settledBy(journal.readUndone)
        assert.deepStrictEqual(
          [readFileSync(one, "utf8"), readFileSync(two, "utf8")],
          ["a person's line\n", `${two}\n`]
        )
      }),
    limit
  )

  it.effect(
    "forks, compacts and exports a session",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        yield* ask(sessionId, "first")
        const second = yield* send(sessionId, "second")
        yield* answer(second)
        const sessions = (yield* allSessions).length
        const forked = yield* Effect.flatMap(
          operator.call(({ sessionActions }) => sessionActions.fork(sessionId, { turnId: second })),
          settled
        )
        assert.strictEqual(forked?.status, "done")
        const copyId: typeof sessionId = JSON.parse(forked?.result ?? "").sessionId
        const exported = yield* Stream.runCollect(
          operator.stream(({ sessionActions }) => sessionActions.export(copyId))
        )
        assert.deepStrictEqual(
          exported.map(({ parts, prompt }) => [
            prompt,
            JSON.parse(parts.find(({ kind }) => kind === "text")?.payload ?? "{}").text
          ]),
          [["first", "1: first"]]
        )
        assert.strictEqual((yield* ask(copyId, "elsewhere")).text, "2: elsewhere")
        assert.strictEqual((yield* ask(sessionId, "third")).text, "3: third")
        assert.strictEqual((yield* allSessions).length, sessions + 1)
        const compacted = yield* Effect.flatMap(
          operator.call(({ sessionActions }) => sessionActions.compact(sessionId)),
          settled
        )
        assert.strictEqual(compacted?.status, "done")
        const { client } = yield* OpenCodeHost
        const { opencodeSessionId } = { opencodeSessionId: (yield* client.sessions.list({ limit: 1 }))[0]?.id ?? "" }
        const { messages } = yield* client.messages.list(opencodeSessionId)
        assert.isTrue(messages.some(({ info }) => info.role === "assistant" && info.summary === true))
        assert.strictEqual((yield* ask(sessionId, "fourth")).status, "completed")
      }),
    limit
  )

  it.effect(
    "asks the worker for files, changes and servers, without what is private or outside of its directory",
    () =>
      Effect.gen(function* () {
        const { client, directory } = yield* OpenCodeHost
        const { root } = yield* OpenCodeHome
        const operator = yield* Client
        const git = (...args: ReadonlyArray<string>) =>
          execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...args], { cwd: directory, stdio: "pipe" })
        const hidden = join(directory, "hidden")
        mkdirSync(hidden)
        writeFileSync(join(directory, "notes.txt"), "one\n")
        git("add", "--all")
        git("commit", "--quiet", "-m", "first")
        writeFileSync(join(directory, "notes.txt"), "one\ntwo\n")
        writeFileSync(join(hidden, "notes.txt"), "private\n")
        writeFileSync(join(root, "outside.txt"), "outside\n")
        symlinkSync(join(root, "outside.txt"), join(directory, "notes.link"))
        const workerId = yield* workerWith({ privatePaths: [hidden] })
        // The first start of OpenCode on a loaded machine takes longer than a query may.
        yield* client.project.findFiles("notes", 1)
        const read = (path: string) =>
          operator.call(({ queries }, options) => queries.readFile(workerId, path, options))
        const refusal = (path: string) => Effect.map(Effect.flip(read(path)), ({ reason }) => reason.message)

        assert.deepStrictEqual(yield* read("notes.txt"), {
          path: "notes.txt",
          size: 8,
          text: "one\ntwo\n",
          truncated: false
        })
        assert.include(yield* refusal("notes.link"), "not in the worker's directory")
        assert.include(yield* refusal("hidden/notes.txt"), "private")
        assert.include(yield* refusal("none.txt"), "no such file")
        const found = yield* operator.call(({ queries }) => queries.findFiles(workerId, "notes"))
        // OpenCode also finds paths that are only similar.
        assert.strictEqual(found.files[0], "notes.txt")
        assert.notInclude(found.files, "hidden/notes.txt")
        assert.notInclude(found.files, "notes.link")

        const change = { file: "notes.txt", status: "modified" as const, additions: 1, deletions: 0 }
        const changes = yield* operator.call(({ queries }) => queries.vcs(workerId))
        assert.deepInclude(
          changes.files.find(({ file }) => file === "notes.txt"),
          change
        )
        const { files } = yield* operator.call(({ queries }) => queries.diff(workerId))
        assert.include(files.find(({ file }) => file === "notes.txt")?.patch, "+two")
        assert.notInclude(JSON.stringify([files, changes]), "hidden/")
        assert.notInclude(JSON.stringify(files), "outside\\n")
        assert.deepStrictEqual(yield* operator.call(({ queries }) => queries.status(workerId)), {
          running: true,
          mcp: [],
          lsp: []
        })
      }),
    limit
  )
})
