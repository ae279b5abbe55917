/** Runs actions, in a thread of their own: what they wait for and compute delays no query and no mutation. */
import type { RoutableMethod } from "convex/server"
import type { Identity } from "./auth.ts"
import type { Call, MutationRun, Run } from "./calls.ts"
import { resultOf } from "./calls.ts"
import { failureOf, timedOut } from "./errors.ts"
import type { FileContent, FoundFile } from "./files.ts"
import { type Functions, pathOf } from "./functions.ts"
import { limits } from "./limits.ts"
import type { Peer } from "./rpc.ts"
import { Console, type Frame, inFrame, outsideFrame } from "./runtime.ts"
import { Stopwatch } from "./stopwatch.ts"
import {
  DEPLOYMENT,
  metadata,
  notSupported,
  type Operations,
  perform,
  rethrowing,
  type RunArgument
} from "./syscalls.ts"

/** What actions ask the rest of the deployment for. */
export type ActionHost = {
  readonly query: (call: Call) => Promise<Run>
  readonly mutation: (call: Call) => Promise<MutationRun>
  readonly action: (call: Call) => Promise<Run>
  readonly syscall: (operation: string, argument: string) => Promise<string>
  readonly readFile: (id: string) => Promise<FoundFile | null>
  readonly storeFile: (content: FileContent, sha256: string | undefined) => Promise<string>
  /** The parts of the answer of an HTTP action; each settles when the next one may come. */
  readonly head: (request: number, status: number, headers: ReadonlyArray<[string, string]>) => Promise<void>
  readonly chunk: (request: number, bytes: Uint8Array) => Promise<void>
}

/** A request for an HTTP action. */
export interface HttpCall {
  readonly method: string
  readonly url: string
  readonly headers: Array<[string, string]>
  readonly body: Uint8Array<ArrayBuffer>
  readonly identity: Identity | null
}

export const actionsApi = (functions: Functions, host: Peer<ActionHost>) => {
  /** A function that the checks of the deployment have let through. */
  const run = async (path: string, { args, identity }: Call): Promise<Run> => {
    const console = new Console()
    const { logLines } = console
    try {
      const found = functions.byPath.get(path)!
      const frame = actionFrame(host, path, identity, console)
      const work = inFrame(frame, () => found.invoke(JSON.stringify([args])))
      const stopwatch = new Stopwatch(limits.actionMillis)
      return { logLines, outcome: { json: await stopwatch.limit(work, () => timedOut(limits.actionMillis)) } }
    } catch (cause) {
      return { logLines, outcome: { failure: failureOf(cause) } }
    }
  }

  /** Whether there is a route. The answer goes to the host in parts. */
  const http = async (request: number, { body, headers, identity, method, url }: HttpCall): Promise<boolean> => {
    const [action] = functions.http?.lookup(new URL(url).pathname, method as RoutableMethod) ?? []
    if (action === undefined) return false
    const received = new Request(url, { headers, method, ...(body.length === 0 ? {} : { body }) })
    // The handler is made by the `convex` package, whose types hide how it is invoked.
    const { invokeHttpAction } = action as unknown as { invokeHttpAction: (request: Request) => Promise<Response> }
    const answer = await inFrame(actionFrame(host, "http", identity, new Console()), () => invokeHttpAction(received))
    await host.call("head", request, answer.status, [...answer.headers])
    if (answer.body !== null) for await (const chunk of answer.body) await host.call("chunk", request, chunk)
    return true
  }

  return { http, run }
}

export type ActionsApi = ReturnType<typeof actionsApi>

const actionFrame = (host: Peer<ActionHost>, path: string, identity: Identity | null, console: Console): Frame => {
  const call = (argument: RunArgument) =>
    ({ args: argument.args, caller: "function", identity, path: pathOf(argument) }) as const

  /** What a called function wrote to its console belongs to what this one writes. */
  const result = (running: Promise<Run>) =>
    rethrowing(async () => {
      const ended = await running
      console.logLines.push(...ended.logLines)
      return resultOf(ended)
    })

  const asyncSyscalls: Operations = {
    "1.0/actions/action": (argument: RunArgument) => result(host.call("action", call(argument))),
    "1.0/actions/mutation": (argument: RunArgument) => result(host.call("mutation", call(argument))),
    "1.0/actions/query": (argument: RunArgument) => result(host.call("query", call(argument))),
    "1.0/getDeploymentMetadata": () => DEPLOYMENT,
    "1.0/getFunctionMetadata": () => metadata(path),
    "1.0/getUserIdentity": () => JSON.stringify(identity)
  }

  const jsSyscalls: Record<string, (argument: never) => Promise<unknown>> = {
    "storage/getBlob": async ({ storageId }: { storageId: string }) => {
      const found = await host.call("readFile", storageId)
      return found === null ? null : new Blob([new Uint8Array(found.bytes)], { type: found.contentType ?? "" })
    },
    "storage/storeBlob": async ({ blob, options }: { blob: Blob; options?: { sha256?: string } }) => {
      const content = { bytes: new Uint8Array(await blob.arrayBuffer()), contentType: blob.type || null }
      return host.call("storeFile", content, options?.sha256)
    }
  }

  return {
    asyncSyscall: (operation, argument) =>
      outsideFrame(async () =>
        Object.hasOwn(asyncSyscalls, operation)
          ? perform(asyncSyscalls, operation, argument)
          : host.call("syscall", operation, argument)
      ),
    console,
    determinism: null,
    jsSyscall: (operation, argument) => {
      if (!Object.hasOwn(jsSyscalls, operation)) throw notSupported(operation)
      return outsideFrame(() => jsSyscalls[operation]!(argument as never))
    },
    kind: "action",
    syscall: (operation) => {
      throw notSupported(operation)
    }
  }
}
