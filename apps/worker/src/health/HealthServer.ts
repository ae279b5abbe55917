/**
 * Serves the health endpoints on a Unix socket in the user's state directory, which only the user can open, and on request on
 * a loopback address or at another socket.
 */
import { createServer, type Server } from "node:http"
import { chmod, mkdir, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Effect, type Scope } from "effect"
import { UserDirectories } from "effect/persistence"
import { configError, temporaryError } from "../AppError.ts"
import { type HealthAddress, parseAddress } from "./address.ts"
import { respond } from "./endpoints.ts"
import { registerProcessMetrics } from "./processMetrics.ts"
import { RunningWorkers } from "./RunningWorkers.ts"

/** The folder with one socket per process. */
export const socketFolder = Effect.map(
  UserDirectories.UserDirectories.use((directories) => directories.state("opencode-worker")),
  (state) => join(state, "run")
)

/** Longest path of a socket in bytes, on macOS. Linux allows four more. */
const longestPath = 103

const remove = (path: string) => Effect.promise(() => rm(path, { force: true }).catch(() => undefined))

const listenAt = (server: Server, address: HealthAddress) =>
  Effect.callback<void, Error>((resume) => {
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(address, () => resume(Effect.void))
  })

const serve = Effect.fnUntraced(function* (address: HealthAddress, isOwn: boolean) {
  const runFork = Effect.runForkWith(yield* Effect.context<RunningWorkers>())
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createServer((request, response) => {
        const { headers, method, url } = request
        const answer = Effect.map(
          respond({ method, path: url, host: headers.host, isOwn }),
          ({ body, status, type }) => {
            response.writeHead(status, {
              "content-type": type,
              "cache-control": "no-store",
              "x-content-type-options": "nosniff"
            })
            response.end(method === "HEAD" ? undefined : body)
          }
        )
        runFork(answer)
      })
    ),
    (started) =>
      Effect.sync(() => {
        started.close()
        started.closeAllConnections()
      })
  )
  // Slow clients hold no connection open.
  server.requestTimeout = 5_000
  server.unref()
  if ("path" in address) {
    yield* remove(address.path)
    yield* Effect.addFinalizer(() => remove(address.path))
  }
  yield* listenAt(server, address)
  if ("path" in address) yield* Effect.promise(() => chmod(address.path, 0o600))
  const bound = server.address()
  return typeof bound === "object" && bound !== null
    ? `http://${"host" in address ? address.host : ""}:${bound.port}`
    : `unix:${bound}`
})

const own = Effect.gen(function* () {
  const path = join(yield* socketFolder, `${process.pid}.sock`)
  if (Buffer.byteLength(path) > longestPath) {
    return yield* Effect.logWarning(
      `opencode-worker status cannot find this process: the path of its socket is too long (${path})`
    )
  }
  yield* Effect.tryPromise(() => mkdir(dirname(path), { recursive: true, mode: 0o700 }))
  yield* serve({ path }, true)
}).pipe(
  // A worker without the socket is as useful as one with it.
  Effect.catch(({ cause, message }) =>
    Effect.logWarning(
      `opencode-worker status cannot find this process: ${cause instanceof Error ? cause.message : message}`
    )
  )
)

/** Serves until the scope closes. Returns the address that was requested, with its port; none without a request. */
export const serveHealth = Effect.fnUntraced(function* (
  given: string | undefined
): Effect.fn.Return<
  string | undefined,
  ReturnType<typeof configError>,
  RunningWorkers | Scope.Scope | UserDirectories.UserDirectories
> {
  yield* registerProcessMetrics
  yield* own
  if (given === undefined) return undefined
  const address = parseAddress(given)
  if (address === undefined) {
    return yield* configError(
      `The health endpoints cannot listen at ${given}: give a loopback address such as 127.0.0.1:9464, or unix:/path/of.sock.`
    )
  }
  return yield* serve(address, false).pipe(
    Effect.mapError(({ message }) => temporaryError(`The health endpoints cannot listen at ${given}: ${message}`))
  )
})
