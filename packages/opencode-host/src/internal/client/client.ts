/** The client over the API of OpenCode 1.x (`/session/*`), through the v2 entry of its SDK. */
import * as Effect from "effect/Effect"
import type { ModelInfo, OpenCodeClient, PromptFile } from "../../OpenCodeClient.ts"
import { unmarkedMessage, unmarkedRequest } from "../plugin/mark.ts"
import { splitModel } from "./model.ts"
import { checkPrompt } from "../options.ts"
import type { Supervisor } from "../server/supervisor.ts"
import { makeTransport } from "./transport.ts"

const pageSize = 100
/** A command answers at the end of its turn. The HTTP client waits no longer. */
const commandMillis = 300_000

/** The content is part of the URL: OpenCode would read any other URL from the machine's own files. */
const filePart = ({ bytes, name, type }: PromptFile) => ({
  type: "file" as const,
  mime: type,
  filename: name,
  url: `data:${type};base64,${Buffer.from(bytes).toString("base64")}`
})

export const makeClient = (use: Supervisor["use"], directory: string): OpenCodeClient => {
  const { ask, call, providerMetadata } = makeTransport(use)
  return {
    sessions: {
      create: ({ title, metadata, parentId } = {}) =>
        call("sessions.create", (sdk, options) =>
          sdk.session.create(
            {
              directory,
              ...(title === undefined ? {} : { title }),
              ...(metadata === undefined ? {} : { metadata: { ...metadata } }),
              ...(parentId === undefined ? {} : { parentID: parentId })
            },
            options
          )
        ),
      get: (sessionID) => call("sessions.get", (sdk, options) => sdk.session.get({ sessionID, directory }, options)),
      // Without a limit OpenCode returns 100 rows and no cursor; -1 means all.
      list: ({ since, limit = -1, children = false } = {}) =>
        call("sessions.list", (sdk, options) =>
          sdk.session.list(
            {
              directory,
              limit,
              ...(children ? {} : { roots: true }),
              ...(since === undefined ? {} : { start: since })
            },
            options
          )
        ),
      rename: (sessionID, title) =>
        call("sessions.rename", (sdk, options) => sdk.session.update({ sessionID, directory, title }, options)),
      remove: (sessionID) =>
        Effect.asVoid(call("sessions.remove", (sdk, options) => sdk.session.delete({ sessionID, directory }, options))),
      children: (sessionID) =>
        call("sessions.children", (sdk, options) => sdk.session.children({ sessionID, directory }, options)),
      status: call("sessions.status", (sdk, options) => sdk.session.status({ directory }, options))
    },
    actions: {
      revert: (sessionID, messageID) =>
        call("actions.revert", (sdk, options) => sdk.session.revert({ sessionID, directory, messageID }, options)),
      unrevert: (sessionID) =>
        call("actions.unrevert", (sdk, options) => sdk.session.unrevert({ sessionID, directory }, options)),
      fork: (sessionID, messageID) =>
        call("actions.fork", (sdk, options) =>
          sdk.session.fork({ sessionID, directory, ...(messageID === undefined ? {} : { messageID }) }, options)
        ),
      setMetadata: (sessionID, metadata) =>
        call("actions.setMetadata", (sdk, options) =>
          sdk.session.update({ sessionID, directory, metadata: { ...metadata } }, options)
        ),
      compact: (sessionID, model) =>
        Effect.asVoid(
          call("actions.compact", (sdk, options) =>
            sdk.session.summarize({ sessionID, directory, ...splitModel(model) }, options)
          )
        ),
      shell: ({ agent, command, messageId, sessionId }) =>
        Effect.asVoid(
          call("actions.shell", (sdk, options) =>
            sdk.session.shell({ sessionID: sessionId, directory, messageID: messageId, agent, command }, options)
          )
        ),
      command: ({ agent, arguments: args, command, files = [], messageId, model, sessionId, variant }) =>
        Effect.asVoid(
          call(
            "actions.command",
            (sdk, options) =>
              sdk.session.command(
                {
                  sessionID: sessionId,
                  directory,
                  messageID: messageId,
                  command,
                  arguments: args,
                  ...(files.length > 0 && { parts: files.map(filePart) }),
                  ...(model !== undefined && { model }),
                  ...(agent !== undefined && { agent }),
                  ...(variant !== undefined && { variant })
                },
                options
              ),
            commandMillis
          )
        ),
      diff: (sessionID, messageID) =>
        call("actions.diff", (sdk, options) => sdk.session.diff({ sessionID, directory, messageID }, options))
    },
    project: {
      findFiles: (query, limit) =>
        call("project.findFiles", (sdk, options) =>
          sdk.find.files({ directory, query, limit, type: "file", dirs: "false" }, options)
        ),
      branches: call("project.branches", (sdk, options) => sdk.vcs.get({ directory }, options)),
      // By default OpenCode puts whole files into patches.
      diff: (base) =>
        call("project.diff", (sdk, options) =>
          sdk.vcs.diff({ directory, mode: base === "commit" ? "git" : "branch", context: 3 }, options)
        ),
      mcp: call("project.mcp", (sdk, options) => sdk.mcp.status({ directory }, options)),
      lsp: call("project.lsp", (sdk, options) => sdk.lsp.status({ directory }, options))
    },
    messages: {
      list: (sessionID, { limit = pageSize, before } = {}) =>
        Effect.map(
          ask("messages.list", (sdk, options) =>
            sdk.session.messages({ sessionID, directory, limit, ...(before === undefined ? {} : { before }) }, options)
          ),
          ({ data, response }) => ({
            messages: data.map(unmarkedMessage),
            before: response.headers.get("x-next-cursor") ?? undefined
          })
        ),
      get: (sessionID, messageID) =>
        Effect.map(
          call("messages.get", (sdk, options) => sdk.session.message({ sessionID, messageID, directory }, options)),
          unmarkedMessage
        )
    },
    prompt: Effect.fnUntraced(function* (input) {
      yield* checkPrompt(input)
      const { sessionId, messageId, partId, text, files = [], model, agent, variant, system } = input
      yield* call("prompt", (sdk, options) =>
        sdk.session.promptAsync(
          {
            sessionID: sessionId,
            directory,
            messageID: messageId,
            parts: [{ id: partId, type: "text", text }, ...files.map(filePart)],
            ...(model === undefined ? {} : { model: splitModel(model) }),
            ...(agent === undefined ? {} : { agent }),
            ...(variant === undefined ? {} : { variant }),
            ...(system === undefined ? {} : { system })
          },
          options
        )
      )
    }),
    abort: (sessionID) =>
      Effect.asVoid(call("abort", (sdk, options) => sdk.session.abort({ sessionID, directory }, options))),
    permissions: {
      list: Effect.map(
        call("permissions.list", (sdk, options) => sdk.permission.list({ directory }, options)),
        (requests) => requests.map(unmarkedRequest)
      ),
      reply: (requestID, reply, message) =>
        Effect.asVoid(
          call("permissions.reply", (sdk, options) =>
            sdk.permission.reply(
              { requestID, directory, reply, ...(message === undefined ? {} : { message }) },
              options
            )
          )
        )
    },
    questions: {
      list: call("questions.list", (sdk, options) => sdk.question.list({ directory }, options)),
      reply: (requestID, answers) =>
        Effect.asVoid(
          call("questions.reply", (sdk, options) =>
            sdk.question.reply({ requestID, directory, answers: answers.map((answer) => [...answer]) }, options)
          )
        ),
      reject: (requestID) =>
        Effect.asVoid(
          call("questions.reject", (sdk, options) => sdk.question.reject({ requestID, directory }, options))
        )
    },
    models: Effect.gen(function* () {
      const { providers } = yield* call("models", (sdk, options) => sdk.config.providers({ directory }, options))
      const { model: configured } = yield* providerMetadata
      const models = providers.flatMap((provider) =>
        Object.values(provider.models).map((model): ModelInfo => ({
          id: `${provider.id}/${model.id}`,
          providerID: provider.id,
          modelID: model.id,
          name: model.name,
          providerName: provider.name,
          limit: { context: model.limit.context, output: model.limit.output },
          capabilities: {
            tools: model.capabilities.toolcall,
            reasoning: model.capabilities.reasoning,
            input: {
              image: model.capabilities.input.image,
              pdf: model.capabilities.input.pdf,
              audio: model.capabilities.input.audio,
              video: model.capabilities.input.video
            },
            output: {
              image: model.capabilities.output.image,
              audio: model.capabilities.output.audio,
              video: model.capabilities.output.video
            }
          },
          cost: {
            input: model.cost.input,
            output: model.cost.output,
            cacheRead: model.cost.cache.read,
            cacheWrite: model.cost.cache.write
          },
          variants: Object.keys(model.variants ?? {}),
          status: model.status
        }))
      )
      // `/config/providers` lists a default for each provider, and OpenCode's choice need not be one of them.
      return { models, default: configured ?? null }
    }),
    agents: call("agents", (sdk, options) => sdk.app.agents({ directory }, options)),
    commands: call("commands", (sdk, options) => sdk.command.list({ directory }, options)),
    skills: call("skills", (sdk, options) => sdk.app.skills({ directory }, options))
  }
}
