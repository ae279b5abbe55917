/** Answers the queries of operators. Nothing private is shown, and every result is bounded. */
import type { ChangedFile, QueryResults } from "@opencode-worker/convex-backend/api"
import { MAX_QUERY_RESULT } from "@opencode-worker/convex-backend/limits"
import type { QueryAnswers } from "@opencode-worker/convex-sync"
import { type FileDiff, type HostError, OpenCodeHost } from "@opencode-worker/opencode-host"
import { dirname, resolve } from "node:path"
import { Effect, type FileSystem, Option } from "effect"
import { type FileRefused, type ProjectPlace, readProjectFile, shownPath } from "../opencode/projectFile.ts"
import { realPath } from "../opencode/realPath.ts"
import { type NotASubAgent, readSubAgent } from "./subAgent.ts"

const maxFound = 100
const maxChanged = 500
/** Characters of a result that lists and patches may take. JSON and names take the rest. */
const maxText = MAX_QUERY_RESULT * 0.9
/** Servers of each kind, and the characters of their texts. */
const maxServers = 100
const maxServerText = 300

const jsonLength = (value: unknown): number => JSON.stringify(value).length

/** The longest start of a list that fits in a result. */
const fitting = <A>(all: ReadonlyArray<A>, most: number): ReadonlyArray<A> => {
  let left = maxText
  const end = all.findIndex((each, index) => index === most || (left -= jsonLength(each)) < 0)
  return end === -1 ? all : all.slice(0, end)
}

/** Escaped characters take up to six in JSON. */
const fittingText = (text: string): string => {
  let end = text.length
  while (jsonLength(text.slice(0, end)) > maxText) end = Math.floor(end * 0.8)
  return end === text.length ? text : text.slice(0, end).toWellFormed()
}

const readFile = Effect.fnUntraced(function* (place: ProjectPlace, path: string) {
  const found = yield* readProjectFile(place, path)
  if (found.text === null) return found satisfies QueryResults["readFile"]
  const text = fittingText(found.text)
  return {
    ...found,
    text,
    truncated: found.truncated || text.length < found.text.length
  } satisfies QueryResults["readFile"]
})

const isShown = (place: ProjectPlace, path: string) => Effect.isSuccess(shownPath(place, path))

const findFiles = Effect.fnUntraced(function* (place: ProjectPlace, text: string) {
  const { client } = yield* OpenCodeHost
  const found = yield* client.project.findFiles(text, maxFound)
  const files = fitting(yield* Effect.filter(found, (path) => isShown(place, path)), maxFound)
  return { files } satisfies QueryResults["findFiles"]
})

/** The directory and all that contain it. */
const ancestors = (directory: string): ReadonlyArray<string> => {
  const parent = dirname(directory)
  return parent === directory ? [directory] : [directory, ...ancestors(parent)]
}

/**
 * The changes that may be shown. Git's paths are relative to the root of the repository, which may be any folder above the
 * directory: a path that is private below one of them is left out. Git does not follow links.
 */
const shownChanges = (place: ProjectPlace, diffs: ReadonlyArray<FileDiff>) => {
  const roots = ancestors(place.directory)
  const isPrivate = (file: string) =>
    roots.some((root) => {
      const path = resolve(root, file)
      return place.privatePaths.some((folder) => path === folder || path.startsWith(`${folder}/`))
    })
  return diffs.flatMap(({ additions, deletions, file, patch, status = "modified" }) =>
    file === undefined || isPrivate(file)
      ? []
      : [{ change: { file, status, additions, deletions } satisfies ChangedFile, patch: patch ?? null }]
  )
}

const vcs = Effect.fnUntraced(function* (place: ProjectPlace) {
  const { client } = yield* OpenCodeHost
  const [{ branch = null, default_branch: defaultBranch = null }, diffs] = yield* Effect.all(
    [client.project.branches, client.project.diff("commit")],
    { concurrency: 2 }
  )
  const all = shownChanges(place, diffs).map(({ change }) => change)
  const files = fitting(all, maxChanged)
  return { branch, defaultBranch, files, truncated: files.length < all.length } satisfies QueryResults["vcs"]
})

const diff = Effect.fnUntraced(function* (place: ProjectPlace, base: "commit" | "branch") {
  const { client } = yield* OpenCodeHost
  const all = shownChanges(place, yield* client.project.diff(base))
  const listed = fitting(
    all.map(({ change }) => change),
    maxChanged
  )
  let left = maxText - jsonLength(listed)
  const files = listed.map((change, index) => {
    const patch = all[index]?.patch ?? null
    const length = patch === null ? 0 : jsonLength(patch)
    if (length > left) return { ...change, patch: null }
    left -= length
    return { ...change, patch }
  })
  const isCut = files.length < all.length || files.some(({ patch }, index) => patch !== all[index]?.patch)
  return { files, truncated: isCut } satisfies QueryResults["diff"]
})

const short = (text: string): string => text.slice(0, maxServerText).toWellFormed()

/** Looking at the servers does not start OpenCode. */
const status = Effect.gen(function* () {
  const { ifRunning } = yield* OpenCodeHost
  const found = yield* ifRunning(({ project }) => Effect.all([project.mcp, project.lsp], { concurrency: 2 }))
  if (Option.isNone(found)) return { running: false, mcp: [], lsp: [] } satisfies QueryResults["status"]
  const [mcp, lsp] = found.value
  return {
    running: true,
    mcp: Object.entries(mcp)
      .slice(0, maxServers)
      .map(([name, { error = null, status: state }]) => ({
        name: short(name),
        status: state,
        error: error === null ? null : short(error)
      })),
    lsp: lsp
      .slice(0, maxServers)
      .map(({ name, root, status: state }) => ({ name: short(name), root: short(root), status: state }))
  } satisfies QueryResults["status"]
})

/** Answers one query. `privatePaths`: files and folders that are never shown. */
export const answerQuery = Effect.fn("Worker.answerQuery")(function* (
  query: QueryAnswers.WaitingQuery["query"],
  privatePaths: ReadonlyArray<string>
): Effect.fn.Return<unknown, FileRefused | HostError | NotASubAgent, FileSystem.FileSystem | OpenCodeHost> {
  const { directory } = yield* OpenCodeHost
  const real = yield* Effect.forEach(privatePaths, (path) => Effect.map(realPath(path), (found) => found ?? path))
  const place: ProjectPlace = { directory, privatePaths: real }
  switch (query.kind) {
    case "findFiles":
      return yield* findFiles(place, query.text)
    case "readFile":
      return yield* readFile(place, query.path)
    case "subAgent":
      return yield* readSubAgent(query.agentSessionId)
    case "vcs":
      return yield* vcs(place)
    case "diff":
      return yield* diff(place, query.base)
    case "status":
      return yield* status
  }
})
