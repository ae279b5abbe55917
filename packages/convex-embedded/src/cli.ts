#!/usr/bin/env node
/**
 * The `convex-embedded` command.
 *
 * @since 0.1.0
 */
import { watch } from "node:fs"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { parseArgs } from "node:util"
import { type Deployment, make } from "./ConvexEmbedded.ts"
import { ConvexEmbeddedError } from "./ConvexEmbeddedError.ts"

const USAGE = `Usage: convex-embedded serve <functions folder> [options]
       convex-embedded export <table> [--url <url>]          writes JSON lines to standard output
       convex-embedded import <table> [--url <url>] [--replace]   reads them from standard input

  --data <folder>        where the data are kept (default ./convex-data)
  --port <number>        the port to listen on, 0 for a free one (default 3210)
  --host <address>       the address to listen on (default 127.0.0.1: this machine only)
  --allow-origin <origin>  let pages of this origin use the deployment, beside those of this machine; may be repeated
  --allow-host <name>    a name by which it may be reached, beside its addresses; may be repeated
  --durability <level>   full: a commit survives a power loss (default); normal: it survives a crash
  --oidc-discovery       ask issuers of tokens for their keys, over https (default: nobody is asked over the network)
  --watch                load the functions anew when a file changes
  --url <url>            the deployment to export from or import to (default http://127.0.0.1:3210)
  --replace              import in place of what is there
  --help                 show this text

Environment:
  CONVEX_EMBEDDED_ADMIN_KEY   lets whoever has it export and import tables; the same for the server and for them
`

const say = (text: string) => void process.stdout.write(`${text}\n`)
const complain = (cause: unknown) =>
  void process.stderr.write(`${cause instanceof ConvexEmbeddedError ? cause.message : String(cause)}\n`)

const parse = () =>
  parseArgs({
    allowPositionals: true,
    options: {
      "allow-host": { default: [], multiple: true, type: "string" },
      "allow-origin": { default: [], multiple: true, type: "string" },
      data: { default: "./convex-data", type: "string" },
      durability: { default: "full", type: "string" },
      help: { default: false, type: "boolean" },
      host: { default: "127.0.0.1", type: "string" },
      "oidc-discovery": { default: false, type: "boolean" },
      port: { default: "3210", type: "string" },
      replace: { default: false, type: "boolean" },
      url: { default: "http://127.0.0.1:3210", type: "string" },
      watch: { default: false, type: "boolean" }
    }
  })

/** Resolves with the exit code when the command has ended; a server ends with a signal. */
const main = async (): Promise<number> => {
  let command: ReturnType<typeof parse>
  try {
    command = parse()
  } catch (cause) {
    complain(`${cause instanceof Error ? cause.message : String(cause)}\n\n${USAGE}`)
    return 2
  }
  const { positionals, values } = command
  const [verb, target, ...rest] = positionals
  if (values.help) {
    say(USAGE)
    return 0
  }
  if (target === undefined || rest.length > 0) {
    complain(USAGE)
    return 2
  }
  switch (verb) {
    case "serve":
      return serve(target, values)
    case "export":
    case "import":
      return transfer(verb, target, values)
    default:
      complain(USAGE)
      return 2
  }
}

type Values = ReturnType<typeof parse>["values"]

const adminKey = process.env["CONVEX_EMBEDDED_ADMIN_KEY"]

const transfer = async (verb: "export" | "import", table: string, { replace, url }: Values): Promise<number> => {
  const address = new URL(`/api/${verb}`, url)
  address.searchParams.set("table", table)
  if (replace) address.searchParams.set("mode", "replace")
  const headers = { authorization: `Convex ${adminKey ?? ""}` }
  try {
    const answer = await fetch(address, {
      headers,
      ...(verb === "import" ? { body: Readable.toWeb(process.stdin), duplex: "half", method: "POST" } : {})
    })
    if (!answer.ok || answer.body === null) {
      complain(((await answer.json()) as { message: string }).message)
      return answer.status === 401 ? NOT_AUTHORISED : 1
    }
    if (verb === "export") await pipeline(Readable.fromWeb(answer.body as never), process.stdout, { end: false })
    else say(`Imported ${((await answer.json()) as { documents: number }).documents} documents`)
    return 0
  } catch (cause) {
    complain(new Error(`The deployment at ${url} cannot be reached`, { cause }))
    return TEMPORARY
  }
}

const serve = async (functions: string, values: Values): Promise<number> => {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve())
  })
  try {
    await using deployment = await make({
      ...(adminKey === undefined ? {} : { adminKey }),
      allowedHosts: values["allow-host"],
      // The page under development comes from a server on another port.
      allowedOrigins: ["loopback", ...values["allow-origin"]],
      auth: { discovery: values["oidc-discovery"] },
      dataDir: values.data,
      // `make` says what it should have been.
      durability: values.durability as "full",
      functions,
      host: values.host,
      onWarning: complain,
      port: Number(values.port)
    })
    say(`Serving ${functions} at ${deployment.url}`)
    if (values.watch) reloadOnChange(functions, deployment)
    await stopped
    return 0
  } catch (cause) {
    complain(cause)
    return exitCodeOf(cause)
  }
}

/** As sysexits.h numbers them: a service manager starts again after a temporary failure, not after a wrong configuration. */
const TEMPORARY = 75
const NOT_AUTHORISED = 77
const CONFIGURATION = 78

const exitCodeOf = (cause: unknown): number => {
  if (!(cause instanceof ConvexEmbeddedError)) return 1
  return cause.code === "DataInUse" || cause.code === "DiskFull" ? TEMPORARY : CONFIGURATION
}

/** Editors write a file in several steps: what changes within this time is one change. */
const SETTLE_MILLIS = 100

const reloadOnChange = (folder: string, deployment: Deployment): void => {
  let reloading: Promise<void> = Promise.resolve()
  const reload = async () => {
    try {
      await deployment.reload()
      say("Functions reloaded")
    } catch (cause) {
      complain(cause)
    }
  }
  let timer: NodeJS.Timeout | undefined
  const watcher = watch(folder, { persistent: false, recursive: true }, () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      reloading = reloading.then(reload)
    }, SETTLE_MILLIS)
    timer.unref()
  })
  watcher.on("error", complain)
}

process.exitCode = await main()
