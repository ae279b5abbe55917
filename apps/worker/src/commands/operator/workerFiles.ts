/** `opencode-worker workers files`, `cat`, `diff`, `servers`: what a worker reads on its machine. */
import { Client } from "@opencode-worker/client/effect"
import { Effect } from "effect"
import { Argument, Flag } from "effect/cli"
import { temporaryError } from "../../AppError.ts"
import { findWorker } from "../../operator/lookup.ts"
import { json, printRows } from "../../operator/output.ts"
import { print, printLine } from "../../terminal/output/Output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { worker } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"

export const files = operatorCommand(
  "files",
  "List files of a worker's directory whose path matches a text",
  { text: Argument.String("text").pipe(Argument.withDescription("A part of the path")), worker, json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { workerId } = yield* findWorker(given.worker)
    const found = yield* client.call((operator, options) => operator.queries.findFiles(workerId, given.text, options))
    yield* printRows({
      rows: found.files.map((path) => ({ path })),
      json: given.json,
      empty: screen`No file matches.`,
      columns: () => [{ name: "PATH", value: ({ path }) => path }]
    })
  })
)

export const cat = operatorCommand(
  "cat",
  "Show a text file of a worker's directory, at most its first 200 kB",
  { path: Argument.String("path").pipe(Argument.withDescription("Its path in the directory")), worker },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { workerId } = yield* findWorker(given.worker)
    const file = yield* client.call((operator, options) => operator.queries.readFile(workerId, given.path, options))
    if (file.text === null) {
      return yield* temporaryError(`${file.path} is binary (${file.size} bytes), and is not shown.`)
    }
    yield* print(screen`${file.text}${file.text.endsWith("\n") || file.text === "" ? "" : "\n"}`)
    if (file.truncated) yield* printLine(screen`(The rest of the ${file.size} bytes is left out.)`)
  })
)

export const diff = operatorCommand(
  "diff",
  "Show the uncommitted changes in a worker's directory as a patch",
  {
    isBranch: Flag.Boolean("branch").pipe(
      Flag.withDescription("Compare with the start of the branch instead of the last commit"),
      Flag.withDefault(false)
    ),
    worker
  },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { workerId } = yield* findWorker(given.worker)
    const base = given.isBranch ? "branch" : "commit"
    const changes = yield* client.call((operator, options) => operator.queries.diff(workerId, { base, ...options }))
    if (changes.files.length === 0) return yield* printLine(screen`There are no changes.`)
    for (const { file, patch } of changes.files) {
      if (patch === null) yield* printLine(screen`(The patch of ${file} is left out.)`)
      else yield* print(screen`${patch}${patch.endsWith("\n") ? "" : "\n"}`)
    }
    if (changes.truncated) yield* printLine(screen`(The changes are too large to be shown whole.)`)
  })
)

export const servers = operatorCommand(
  "servers",
  "List the servers for tools (MCP) and languages (LSP) that OpenCode runs for a worker",
  { worker, json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { workerId } = yield* findWorker(given.worker)
    const found = yield* client.call((operator, options) => operator.queries.status(workerId, options))
    yield* printRows({
      rows: [
        ...found.mcp.map(({ error, name, status }) => ({ kind: "mcp", name, status, detail: error ?? "" })),
        ...found.lsp.map(({ name, root, status }) => ({ kind: "lsp", name, status, detail: root }))
      ],
      json: given.json,
      empty: found.running ? screen`OpenCode runs no servers.` : screen`OpenCode is not running.`,
      columns: () => [
        { name: "KIND", value: ({ kind }) => kind },
        { name: "NAME", value: ({ name }) => name, shrinks: true },
        { name: "STATUS", value: ({ status }) => status },
        { name: "DETAIL", value: ({ detail }) => detail, shrinks: true }
      ]
    })
  })
)
