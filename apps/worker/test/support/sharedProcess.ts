/** Runs commands in one process, for tests of what a command does. Tests of the process itself (signals, terminals, pipes) start their own. */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { workerProgram } from "@opencode-worker/harness"
import type { Request, Result } from "./commandHost.ts"

interface Waiting {
  readonly resolve: (result: Result) => void
  readonly reject: (error: Error) => void
}

interface Host {
  readonly child: ChildProcess
  readonly waiting: Map<number, Waiting>
}

let host: Host | undefined
let requests = 0

const startHost = (): Host => {
  const child = fork(fileURLToPath(new URL("commandHost.ts", import.meta.url)), [workerProgram], {
    // Without the homes of tests, which clean up the processes that have theirs in the environment.
    env: { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? "" },
    execArgv: [],
    stdio: ["ignore", "inherit", "inherit", "ipc"]
  })
  const waiting: Host["waiting"] = new Map()
  child.on("message", ({ id, result }: { readonly id: number; readonly result: Result }) => {
    waiting.get(id)?.resolve(result)
    waiting.delete(id)
  })
  child.once("close", (code) => {
    host = undefined
    for (const { reject } of waiting.values()) reject(new Error(`The process of the commands ended with ${code}`))
  })
  // It ends when this process does.
  child.unref()
  child.channel?.unref()
  return { child, waiting }
}

/** Runs the built command to its end. Commands run one after the other. */
export const runShared = (request: Request): Promise<Result> =>
  new Promise((resolve, reject) => {
    host ??= startHost()
    const id = ++requests
    host.waiting.set(id, { resolve, reject })
    host.child.send({ id, request })
  })
