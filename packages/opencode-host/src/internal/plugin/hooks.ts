/**
 * The hooks of the plugin. They run inside OpenCode (see `source.ts`), so they refer to nothing outside of themselves.
 *
 * ```
 *  config                the permissions become strict; programs that start without a tool call are switched off
 *  tool.execute.before   paths become real; denied paths, calls whose id is not unique, tools and sessions that would
 *                        not ask are refused;
 *                        the prompt of a sub-agent attaches no files; and
 *                        a shell command gets `mark` in front, so that OpenCode's parser finds something to ask for
 *  event                 which calls have ended, and which shell calls a person has allowed
 *  shell.env             right before a shell starts: it does not, unless its call was allowed
 * ```
 *
 * Invariants
 * - A hook that fails makes its tool fail: OpenCode runs nothing then.
 * - A shell starts only for a call that was asked and allowed, whatever the parser finds in its command.
 */
/* oxlint-disable unicorn/consistent-function-scoping -- a function that refers to nothing outside of itself */
import type { Paths } from "./paths.ts"
import type { Permissions } from "./permissions.ts"

export interface GuardOptions {
  /** Whether tools ask; otherwise only `deniedPaths` counts. */
  readonly asks: boolean
  /** Absolute, without symbolic links. */
  readonly deniedPaths: ReadonlyArray<string>
  /** Put in front of a shell command. */
  readonly mark: string
}

interface Config extends Permissions {
  lsp?: unknown
  formatter?: unknown
  command?: Record<string, { template?: string } | undefined>
}
interface Call {
  readonly tool: string
  readonly sessionID: string
  readonly callID: string
}
interface Answer<A> {
  readonly data?: A
}
interface Host {
  readonly directory: string
  readonly client: {
    readonly session: {
      readonly get: (of: { readonly path: { readonly id: string } }) => Promise<
        Answer<{
          readonly permission?: ReadonlyArray<{ readonly permission: string; readonly action: string }>
        }>
      >
      readonly abort: (of: { readonly path: { readonly id: string } }) => Promise<unknown>
    }
    readonly tool: { readonly ids: () => Promise<Answer<ReadonlyArray<string>>> }
  }
}
type Arguments = Record<string, unknown>
interface OpenCodeEvent {
  readonly type: string
  readonly properties: {
    readonly id?: string
    readonly permission?: string
    readonly tool?: { readonly callID: string }
    readonly requestID?: string
    readonly reply?: string
    readonly part?: ToolPart
  }
}
interface ToolPart {
  readonly type: string
  readonly sessionID: string
  readonly callID?: string
  readonly tool?: string
  readonly state?: { readonly status?: string; readonly input?: Arguments }
}

export function makeHooks(
  options: GuardOptions,
  strictPermissions: (config: Permissions) => Required<Permissions>,
  { isWithin, real }: Paths,
  { client, directory }: Host
) {
  const { asks, deniedPaths, mark } = options
  const pathModule = process.getBuiltinModule("node:path")
  const { fileURLToPath } = process.getBuiltinModule("node:url")

  /** OpenCode's own tools, each of which asks before it does anything. */
  const asking =
    "invalid question bash read glob grep list edit write multiedit patch apply_patch task webfetch websearch todowrite todoread skill lsp plan_exit".split(
      " "
    )
  const pathArguments = ["filePath", "path", "workdir"]
  const searching = ["glob", "grep", "list"]
  const patchHeaders = ["*** Add File:", "*** Update File:", "*** Delete File:", "*** Move to:"]
  /** A session may allow itself these. */
  const harmless = ["question", "todowrite", "todoread"]

  let strict = false
  let ids: Promise<ReadonlyArray<string>> | undefined
  /** Shell calls that wait for an answer, by request, and those that were allowed, with what restores their command. */
  const waiting = new Map<string, string>()
  const allowed = new Set<string>()
  const unmarked = new Map<string, () => void>()
  /** Calls under way, by session and id: whether no other one has the same. */
  const calls = new Map<string, boolean>()

  const withoutMark = (command: string) => (command.startsWith(mark) ? command.slice(mark.length) : command)

  const refuse = (why: string): never => {
    throw new Error(`opencode-host: ${why}`)
  }

  const keyOf = (sessionID: string, callID: string) => `${sessionID} ${callID}`

  const checkUnique = (sessionID: string, callID: string) => {
    if (calls.get(keyOf(sessionID, callID)) === false) refuse("two calls have the same id, so neither runs.")
  }

  /**
   * A provider chooses the ids of calls. OpenCode keeps one record for those that share an id: a person would be shown the
   * arguments of one call, and allow another. The turn ends, because one of them may have been asked already.
   */
  const enter = ({ callID, sessionID }: Call) => {
    const key = keyOf(sessionID, callID)
    const isUnique = !calls.has(key)
    calls.set(key, isUnique)
    if (!isUnique) void client.session.abort({ path: { id: sessionID } }).catch(() => undefined)
    checkUnique(sessionID, callID)
  }

  const realPath = (path: string, tool: string) => {
    const found = real(pathModule.resolve(directory, path))
    if (deniedPaths.some((folder) => isWithin(found, folder))) refuse(`${path} must not be read or changed by tools.`)
    if (searching.includes(tool) && deniedPaths.some((folder) => isWithin(folder, found))) {
      refuse(`${path} contains a folder that tools must not read. Search in a folder that does not contain it.`)
    }
    return found
  }

  /** The path itself where no link is in it, so that what is shown stays short. */
  const led = (path: string, tool: string) => {
    const found = realPath(path, tool)
    return found === pathModule.resolve(directory, path) ? path : found
  }

  /** One line: the rest of a name with a line break would be read as another header. */
  const patchPath = (path: string) => {
    const found = led(path, "apply_patch")
    return found.includes("\n") ? refuse(`${path} leads to a name with a line break, which no patch can hold.`) : found
  }

  const patch = (text: string) =>
    text
      .split("\n")
      .map((line) => {
        const header = patchHeaders.find((start) => line.startsWith(start))
        return header === undefined ? line : `${header} ${patchPath(line.slice(header.length).trim())}`
      })
      .join("\n")

  /**
   * OpenCode attaches each file that a sub-agent's prompt names as `@path`, wherever it is, without a question and without
   * a call of `read`. It takes no `@` for that which follows a backtick. The sub-agent reads such files by itself.
   */
  const withoutMentions = (text: string) => text.replaceAll(/(?<![\w`])@/g, "`@")

  /** Tools that OpenCode does not know (MCP servers) name paths as they like: no short text of theirs may name a denied one. */
  const foreign = (tool: string, value: unknown): void => {
    if (typeof value === "string" && value.length < 4096 && !value.includes("\n")) {
      realPath(value.startsWith("file://") ? fileURLToPath(value) : value, tool)
    } else if (typeof value === "object" && value !== null) {
      for (const member of Object.values(value)) foreign(tool, member)
    }
  }

  const checkPaths = (tool: string, args: Arguments) => {
    if (tool === "bash" && !asks) return
    if (searching.includes(tool) && args["path"] === undefined) realPath(directory, tool)
    for (const name of pathArguments) {
      const path = args[name]
      if (typeof path !== "string") continue
      const found = led(path, tool)
      // Of other tools, it may be no path of this machine, and a person is shown it as it is.
      if (asking.includes(tool)) args[name] = found
    }
    const text = args["patchText"]
    if (typeof text === "string") args["patchText"] = patch(text)
    const { prompt } = args
    if (tool === "task" && typeof prompt === "string") args["prompt"] = withoutMentions(prompt)
    if (!asking.includes(tool) && deniedPaths.length > 0) foreign(tool, args)
  }

  /** A tool of the user's own or of a plugin runs without asking, and one may have the name of OpenCode's. */
  const checkTool = async (tool: string) => {
    ids ??= client.tool.ids().then(({ data }) => data ?? refuse("OpenCode does not list its tools."))
    const known = await ids
    const custom = known.includes(tool) && !asking.includes(tool)
    if (custom || known.indexOf(tool) !== known.lastIndexOf(tool)) {
      refuse(`the tool ${tool} cannot be made to ask a person first, so it does not run here.`)
    }
  }

  /** The rules of a session win over all configuration. */
  const checkSession = async (id: string) => {
    const { data } = await client.session.get({ path: { id } })
    const rules = (data ?? refuse("OpenCode does not know the session of this call.")).permission ?? []
    const own = rules.find(({ action, permission }) => action === "allow" && !harmless.includes(permission))
    if (own !== undefined) {
      refuse(
        `this session allows itself ${own.permission} without a question, so no tool runs in it. Use another session.`
      )
    }
  }

  return {
    config: async (config: Config) => {
      if (!asks) return
      Object.assign(config, strictPermissions(config))
      // Both start programs after a read or an edit, some of them from the project's node_modules.
      config.lsp = false
      config.formatter = false
      // A command's template may run shell commands when the command is used.
      for (const command of Object.values(config.command ?? {})) {
        if (command?.template !== undefined) command.template = command.template.replaceAll("!`", "! `")
      }
      strict = true
    },
    "tool.execute.before": async (call: Call, { args }: { readonly args: Arguments }) => {
      const { callID, sessionID, tool } = call
      enter(call)
      if (asks) {
        if (!strict) refuse("its permissions are not in effect, so no tool runs.")
        await Promise.all([checkTool(tool), checkSession(sessionID)])
      }
      checkUnique(sessionID, callID)
      checkPaths(tool, args)
      const command = args["command"]
      if (!asks || tool !== "bash" || typeof command !== "string") return
      args["command"] = mark + command
      unmarked.set(callID, () => {
        args["command"] = command
      })
    },
    event: async ({ event: { properties, type } }: { readonly event: OpenCodeEvent }) => {
      const { id, part, permission, reply, requestID, tool } = properties
      if (part?.callID !== undefined && ["completed", "error"].includes(part.state?.status ?? "")) {
        calls.delete(keyOf(part.sessionID, part.callID))
      }
      if (type === "permission.asked" && permission === "bash" && id !== undefined && tool !== undefined) {
        waiting.set(id, tool.callID)
      }
      if (type !== "permission.replied" || requestID === undefined) return
      const callID = waiting.get(requestID)
      waiting.delete(requestID)
      if (callID === undefined) return
      if (reply === "reject") unmarked.delete(callID)
      else allowed.add(callID)
    },
    "shell.env": async ({ callID = "", sessionID = "" }: { readonly callID?: string; readonly sessionID?: string }) => {
      if (!asks) return
      checkUnique(sessionID, callID)
      if (!allowed.delete(callID)) refuse("no person has allowed this command, so it does not run.")
      // OpenCode has read the command: what it stores and shows from here on is the original.
      unmarked.get(callID)?.()
      unmarked.delete(callID)
    },
    "tool.execute.after": async ({ tool }: Call, output: { title?: string }) => {
      if (tool === "bash" && typeof output.title === "string") output.title = withoutMark(output.title)
    },
    "experimental.chat.messages.transform": async (
      _: unknown,
      { messages }: { readonly messages: ReadonlyArray<{ readonly parts: ReadonlyArray<ToolPart> }> }
    ) => {
      for (const { state, tool } of messages.flatMap(({ parts }) => parts)) {
        const command = state?.input?.["command"]
        if (tool === "bash" && typeof command === "string" && state?.input)
          state.input["command"] = withoutMark(command)
      }
    }
  }
}
