/** The `opencode-worker` command as users run it: the built program, in a process of its own. */
import { fileURLToPath } from "node:url"
import { compileCache } from "./compileCache.ts"
import { type Running, startProcess } from "./Running.ts"

export const workerProgram = fileURLToPath(new URL("../../../apps/worker/dist/bin/main.js", import.meta.url))

/** The folder of the web console that the built command serves. */
export const consolePage = fileURLToPath(new URL("../../../apps/worker/dist/console", import.meta.url))

export interface WorkerOptions {
  /** Address of the deployment. */
  readonly url: string
  readonly directory: string
  /** Folder of the worker's identity. */
  readonly data: string
  readonly environment: Readonly<Record<string, string>>
  /** More flags of `start`. */
  readonly flags?: ReadonlyArray<string>
  /** Flags of Node.js. */
  readonly nodeFlags?: ReadonlyArray<string>
}

/** Runs `opencode-worker start`. It prints a pairing code, unless `data` has an identity, and then `Ready`. Disposal stops it. */
export const startWorker = ({
  data,
  directory,
  environment,
  flags = [],
  nodeFlags = [],
  url
}: WorkerOptions): Running => {
  const where = ["--url", url, "--directory", directory, "--data", data]
  const how = ["--permissions", "inherit", "--print-pairing-code", "--log-format", "pretty", ...flags]
  const running = startProcess({
    program: process.execPath,
    args: [...nodeFlags, workerProgram, "start", ...where, ...how],
    environment: { ...compileCache, ...environment }
  })
  return { ...running, [Symbol.asyncDispose]: () => running.end("SIGTERM") }
}
