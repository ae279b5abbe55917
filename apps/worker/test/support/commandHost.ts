/**
 * A process that runs the built command again and again, with other arguments, another environment and another directory each time. Most of
 * a short command's time is the start of Node.js and the load of its code, which are needed once here. `sharedProcess.ts` starts it.
 */
import { readFileSync } from "node:fs"
import { Readable, Writable } from "node:stream"
import { pathToFileURL } from "node:url"

export interface Request {
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  readonly stdin: string
}

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const [, , program = ""] = process.argv
/** The module that runs the command. The bundler adds a hash to its name. */
const [, name] = /import\("(\.\/program-\w+\.js)"\)/.exec(readFileSync(program, "utf8")) ?? []
if (name === undefined) throw new Error(`${program} does not import the module that runs the command`)
const { main }: { readonly main: () => Promise<void> } = await import(new URL(name, pathToFileURL(program)).href)

const exit = process.exit.bind(process)
const complaints = process.stderr

const replace = (key: "exit" | "stderr" | "stdin" | "stdout", value: unknown) =>
  Object.defineProperty(process, key, { configurable: true, value })

/** Replaces an output stream. Returns a function that takes what was written since its last call. */
const captured = (key: "stderr" | "stdout") => {
  const chunks: Array<Buffer> = []
  const stream = new Writable({
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk)
      done()
    }
  })
  // Each run listens to its errors.
  replace(key, stream.setMaxListeners(0))
  return () => Buffer.concat(chunks.splice(0)).toString()
}

const stdout = captured("stdout")
const stderr = captured("stderr")

const run = ({ args, cwd, environment, stdin }: Request): Promise<Result> =>
  new Promise((resolve, reject) => {
    process.chdir(cwd)
    for (const variable of Object.keys(process.env)) delete process.env[variable]
    Object.assign(process.env, environment)
    process.argv = [process.execPath, program, ...args]
    replace("stdin", Readable.from(stdin === "" ? [] : [Buffer.from(stdin)]))
    let hasEnded = false
    replace("exit", (code: number) => {
      // It is called again by the time limit of the last output.
      if (hasEnded) return
      hasEnded = true
      resolve({ code, stdout: stdout(), stderr: stderr() })
    })
    main().catch(reject)
  })

let last: Promise<unknown> = Promise.resolve()

process.on("message", ({ id, request }: { readonly id: number; readonly request: Request }) => {
  // One after the other: a process has one environment and one directory.
  last = last
    .then(() => run(request))
    .then((result) => process.send?.({ id, result }))
    .catch((error: unknown) => {
      complaints.write(`${String(error)}\n`)
      exit(1)
    })
})
process.on("disconnect", () => exit(0))
