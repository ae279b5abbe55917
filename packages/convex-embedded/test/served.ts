/** A deployment in a process of its own, which a test may kill, and whose end it can see. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { onTestFinished } from "vitest"
import { FUNCTIONS, temporaryFolder } from "./deployment.ts"

interface ServeOptions {
  readonly connectionMemory?: number
  readonly dataDir?: string
  readonly functions?: string
  readonly port?: number
  readonly userTimeLimit?: number
}

export const serve = async ({
  connectionMemory = 256 * 1024 * 1024,
  dataDir = temporaryFolder(),
  functions = FUNCTIONS,
  port = 0,
  userTimeLimit = 30_000
}: ServeOptions = {}): Promise<{ readonly child: ChildProcess; readonly url: string }> => {
  const script = fileURLToPath(import.meta.resolve("./fixtures/serve.ts"))
  const settings = [dataDir, port, functions, userTimeLimit, connectionMemory].map(String)
  const child = spawn(process.execPath, [script, ...settings], { stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => void child.kill("SIGKILL"))
  const [line] = (await once(child.stdout, "data")) as [Buffer]
  return { child, url: line.toString().trim() }
}
