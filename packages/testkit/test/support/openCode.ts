/** The real `opencode serve`, and as much of its HTTP API as the tests need. */
import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { Effect, Schema, Stream } from "effect"
import type { OpenCodeHome, ScriptedProvider } from "../../src/index.ts"

/**
 * A dependency on the platform packages would make everyone who installs the testkit download 185 MB, so without
 * `OPENCODE_BIN` the binary that the workspace installs is taken from the folder in which pnpm hoists all packages.
 */
const hoistedBinary = (): string => {
  const name = `opencode-${process.platform}-${process.arch}`
  const hoisted = new URL("../../../../node_modules/.pnpm/node_modules/_", import.meta.url)
  return join(dirname(createRequire(hoisted).resolve(`${name}/package.json`)), "bin/opencode")
}

export const binary = process.env["OPENCODE_BIN"] ?? hoistedBinary()

const Message = Schema.Struct({
  info: Schema.Struct({
    id: Schema.String,
    role: Schema.String,
    tokens: Schema.optional(Schema.Struct({ input: Schema.Finite, output: Schema.Finite })),
    error: Schema.optional(Schema.Struct({ name: Schema.String, data: Schema.Record(Schema.String, Schema.Unknown) }))
  }),
  parts: Schema.Array(
    Schema.Struct({
      type: Schema.String,
      text: Schema.optional(Schema.String),
      tool: Schema.optional(Schema.String),
      state: Schema.optional(Schema.Struct({ status: Schema.String, output: Schema.optional(Schema.String) }))
    })
  )
})

const decodeMessage = Schema.decodeUnknownEffect(Message)
const decodeMessages = Schema.decodeUnknownEffect(Schema.Array(Message))
const decodeSession = Schema.decodeUnknownEffect(Schema.Struct({ id: Schema.String }))

/** Starts a server in `home`; it is gone when the scope closes. */
export const serve = Effect.fnUntraced(function* (home: OpenCodeHome["Service"]) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(binary, ["serve", "--hostname", "127.0.0.1", "--port", "0"], {
        cwd: home.directory,
        env: home.environment,
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    (started) =>
      Effect.callback<void>((resume) => {
        if (started.exitCode !== null || started.signalCode !== null) return resume(Effect.void)
        started.once("exit", () => resume(Effect.void))
        started.kill("SIGKILL")
      })
  )
  const url = yield* Effect.callback<string, string>((resume) => {
    let output = ""
    const read = (chunk: Buffer) => {
      output += chunk.toString()
      const found = /listening on (http:\S+)/.exec(output)?.[1]
      if (found !== undefined) resume(Effect.succeed(found))
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.once("exit", (code) => resume(Effect.fail(`opencode ended with ${code}: ${output}`)))
  }).pipe(Effect.timeout("90 seconds"))

  const call = (method: string, path: string, body?: object) =>
    Effect.tryPromise(async (signal): Promise<unknown> => {
      const response = await fetch(url + path, {
        method,
        signal,
        ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
      })
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
      return response.json()
    })

  return {
    pid: child.pid ?? 0,
    url,
    session: (title?: string) =>
      call("POST", "/session", title === undefined ? {} : { title }).pipe(
        Effect.flatMap(decodeSession),
        Effect.map(({ id }) => id)
      ),
    /** Answers when the turn has ended. */
    prompt: (session: string, text: string) =>
      call("POST", `/session/${session}/message`, { parts: [{ type: "text", text }] }).pipe(
        Effect.flatMap(decodeMessage)
      ),
    messages: (session: string) => call("GET", `/session/${session}/message`).pipe(Effect.flatMap(decodeMessages)),
    abort: (session: string) => call("POST", `/session/${session}/abort`)
  }
})

/** Waits, at most 20 seconds, until the provider's numbers satisfy `condition`. */
export const until = (
  provider: ScriptedProvider["Service"],
  condition: (stats: Effect.Success<ScriptedProvider["Service"]["stats"]>) => boolean
) => provider.changes.pipe(Stream.filter(condition), Stream.runHead, Effect.timeout("90 seconds"))
