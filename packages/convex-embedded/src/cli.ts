#!/usr/bin/env node
/** The `convex-embedded` command. */
import { watch } from "node:fs"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { parseArgs } from "node:util"
import { type Deployment, make } from "./ConvexEmbedded.ts"
import { ConvexEmbeddedError } from "./ConvexEmbeddedError.ts"

const USAGE = `Usage: convex-embedded serve <functions folder> [options]
convex-embedded export <table> [--url <url>]               writes JSON lines to standard output
convex-embedded import <table> [--url <url>] [--replace]   reads JSON lines from standard input

--data <folder>          the data folder (default ./convex-data)
--port <number>          the port to listen on, 0 for any free port (default 3210)
--host <address>         the address to listen on (default 127.0.0.1: this machine only)
--allow-origin <origin>  allow web pages of this origin, in addition to pages of this machine; repeatable
--allow-host <name>      allow requests under this host name, in addition to its addresses; repeatable
--assets <folder>        serve the static files of this folder on the same port, outside of /api/
--fallback <path>        the asset for navigations to other paths, such as /index.html (default: not found)
--immutable <folder>     the folder of the assets whose names contain a hash, such as /assets/ (default: none)
--durability <level>     full: commits survive a power loss (default); normal: they survive a crash
--oidc-discovery         fetch keys of token issuers over https (default: no network access)
--watch                  reload the functions when a file changes
--url <url>              the deployment to export from or import to (default http://127.0.0.1:3210)
--replace                delete the documents of the table before the import
--help                   show this text

Environment:
  CONVEX_EMBEDDED_ADMIN_KEY   admin key for export, import and \`convex run\`; set the same value for \`serve\`
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
      assets: { type: "string" },
      data: { default: "./convex-data", type: "string" },
      durability: { default: "full", type: "string" },
      fallback: { type: "string" },
      help: { default: false, type: "boolean" },
      host: { default: "127.0.0.1", type: "string" },
      immutable: { type: "string" },
      "oidc-discovery": { default: false, type: "boolean" },
      port: { default: "3210", type: "string" },
      replace: { default: false, type: "boolean" },
      url: { default: "http://127.0.0.1:3210", type: "string" },
      watch: { default: false, type: "boolean" }
    }
  })

/** Resolves with the exit code when the command has ended. A server ends on a signal. */
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
      // The page under development is served on another port.
      allowedOrigins: ["loopback", ...values["allow-origin"]],
      ...(values.assets !== undefined && {
        assets: {
          files: values.assets,
          ...(values.fallback !== undefined && { fallback: values.fallback }),
          ...(values.immutable !== undefined && { immutable: values.immutable })
        }
      }),
      auth: { discovery: values["oidc-discovery"] },
      dataDir: values.data,
      // `make` validates the value.
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

/** The exit codes of sysexits.h: service managers restart after a temporary failure, not after a wrong configuration. */
const TEMPORARY = 75
const NOT_AUTHORISED = 77
const CONFIGURATION = 78

const exitCodeOf = (cause: unknown): number => {
  if (!(cause instanceof ConvexEmbeddedError)) return 1
  return cause.code === "DataInUse" || cause.code === "DiskFull" ? TEMPORARY : CONFIGURATION
}

/** Editors write a file in several steps: changes within this time are one change. */
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
