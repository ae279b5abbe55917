/** A request of OpenCode as a request of an `Agent`. */
import { resolve } from "node:path"
import { MAX_ASKED_BY } from "@opencode-worker/convex-backend/limits"
import type { AgentRequest, RequestCard, RequestReply } from "@opencode-worker/convex-sync"
import { OpenCodeHost, type OpenCodeRequest, type RequestReply as OpenCodeReply } from "@opencode-worker/opencode-host"
import { Effect, FileSystem } from "effect"
import { editedPaths } from "./askedPermission.ts"
import { toAgentError } from "./errors.ts"
import { realPath } from "./realPath.ts"
import { permissionCard, questionCard, truncate } from "./requestCard.ts"

const describe = Effect.fnUntraced(function* (
  request: OpenCodeRequest,
  directory: string
): Effect.fn.Return<RequestCard, never, FileSystem.FileSystem> {
  const askedBy = request.askedBy.slice(-MAX_ASKED_BY).map(({ agent, task }) => ({
    agent: truncate(agent),
    task: task === undefined ? null : truncate(task)
  }))
  if (request.kind === "question") return questionCard(request, { askedBy, directory })
  const { call, metadata, patterns, permission } = request
  const workdir = permission === "bash" ? call?.input["workdir"] : undefined
  const workingDirectory = yield* realPath(resolve(directory, typeof workdir === "string" ? workdir : "."))
  const paths = permission === "edit" ? editedPaths({ metadata, patterns }) : []
  const resolved = yield* Effect.forEach(paths, (path) => realPath(resolve(directory, path)))
  const known = resolved.flatMap((path) => path ?? [])
  // A file whose path cannot be resolved leaves the request without a scope.
  const files = known.length === resolved.length ? known : []
  return permissionCard({ call, directory, files, metadata, patterns, permission, workingDirectory }, { askedBy })
})

/** The agent continues without an answer, and reads the reason. */
const toOpenCodeReply = (request: OpenCodeRequest, reply: RequestReply): OpenCodeReply => {
  if (reply.type !== "unanswered") return reply
  return request.kind === "permission"
    ? { type: "reject", message: reply.reason }
    : { type: "answers", answers: request.questions.map(() => [reply.reason]) }
}

export const toAgentRequest = Effect.fnUntraced(function* (request: OpenCodeRequest) {
  const { directory, reply } = yield* OpenCodeHost
  const fs = yield* FileSystem.FileSystem
  return {
    id: request.id,
    describe: Effect.provideService(describe(request, directory), FileSystem.FileSystem, fs),
    reply: (answer) => Effect.mapError(reply(request, toOpenCodeReply(request, answer)), toAgentError)
  } satisfies AgentRequest
})
