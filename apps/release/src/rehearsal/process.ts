import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"

export interface RunOptions {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
}

/** Runs a program to its end. Resolves to its standard output; rejects with the end of its output if it fails. */
export const run = async (program: string, args: ReadonlyArray<string>, options: RunOptions): Promise<string> => {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"], timeout: 900_000 })
  let [stdout, output] = ["", ""]
  child.stdout.on("data", (chunk) => {
    stdout += chunk
    output += chunk
  })
  child.stderr.on("data", (chunk) => (output += chunk))
  const [code, signal] = await once(child, "close")
  if (code !== 0) {
    const end = output.trim().split("\n").slice(-30).join("\n")
    throw new Error(`\`${[program, ...args].join(" ")}\` ended with ${code ?? signal}:\n${end}`)
  }
  return stdout
}

/** Resolves to the text that matches `pattern` when a program has written it; rejects if the program ends before. */
export const written = (child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> =>
  new Promise((resolve, reject) => {
    let output = ""
    const read = (chunk: Buffer) => {
      output += String(chunk)
      const match = pattern.exec(output)
      if (match !== null) resolve(match)
    }
    child.stdout?.on("data", read)
    child.stderr?.on("data", read)
    child.once("error", reject)
    child.once("close", () => reject(new Error(`A program ended before it wrote ${pattern}:\n${output.slice(-3000)}`)))
  })

/** Ends a program that is still running, and waits for its end. */
export const stop = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, "close")
  child.kill("SIGTERM")
  await closed
}

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}
