/** Runs actions, in separate threads: their waiting and computing delays no query and no mutation. */
import type { RoutableMethod } from "convex/server"
import type { Identity } from "../values/identity.ts"
import type { Call, MutationRun, Run } from "../values/calls.ts"
import { resultOf } from "../values/calls.ts"
import { failureOf, timedOut } from "../values/errors.ts"
import type { FileContent } from "../query/files.ts"
import type { Functions } from "../functions/functions.ts"
import { pathOf } from "../values/function-path.ts"
import { limits } from "../values/limits.ts"
import type { Peer } from "./rpc.ts"
import { Console, type Frame, inFrame, outsideFrame } from "../functions/runtime.ts"
import { Stopwatch } from "../functions/stopwatch.ts"
import {
  DEPLOYMENT,
  metadata,
  notSupported,
  type Operations,
  dispatch,
  rethrowing,
  type RunArgument
} from "../engine/operations.ts"

/** The calls from an action thread to the rest of the deployment. */
export type ActionHost = {
  readonly query: (call: Call) => Promise<Run>
  readonly mutation: (call: Call) => Promise<MutationRun>
  readonly action: (call: Call) => Promise<Run>
  readonly syscall: (operation: string, argument: string) => Promise<string>
  readonly readFile: (id: string) => Promise<FileContent | null>
  readonly storeFile: (content: FileContent, sha256: string | undefined) => Promise<string>
  /** The parts of the response of an HTTP action; each settles when the next one may be sent. */
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
  /** Runs an action whose call was checked by `admitAction`. */
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

  /** Returns whether there is a route. The response is sent to the host in parts. */
  const http = async (request: number, { body, headers, identity, method, url }: HttpCall): Promise<boolean> => {
    const [action] = functions.http?.lookup(new URL(url).pathname, method as RoutableMethod) ?? []
    if (action === undefined) return false
    const received = new Request(url, { headers, method, ...(body.length === 0 ? {} : { body }) })
    // The handler is made by the `convex` package, whose types hide how it is invoked.
    const { invokeHttpAction } = action as unknown as { invokeHttpAction: (request: Request) => Promise<Response> }
    const response = await inFrame(actionFrame(host, "http", identity, new Console()), () => invokeHttpAction(received))
    await host.call("head", request, response.status, [...response.headers])
    if (response.body !== null) for await (const chunk of response.body) await host.call("chunk", request, chunk)
    return true
  }

  return { http, run }
}

export type ActionsApi = ReturnType<typeof actionsApi>

const actionFrame = (host: Peer<ActionHost>, path: string, identity: Identity | null, console: Console): Frame => {
  const call = (argument: RunArgument) =>
    ({ args: argument.args, caller: "function", identity, path: pathOf(argument) }) as const

  /** The console output of a called function is part of the caller's output. */
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
          ? dispatch(asyncSyscalls, operation, argument)
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
