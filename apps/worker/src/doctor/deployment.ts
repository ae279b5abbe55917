/** Checks of the deployment: its address, its clock, and the worker's identity there. */
import { readdir } from "node:fs/promises"
import { Pairing } from "@opencode-worker/convex-sync"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Clock, Effect, Option, Schema } from "effect"
import { temporaryError } from "../AppError.ts"
import { EmbeddedDeployment } from "../local/EmbeddedDeployment.ts"
import * as Credentials from "../state/Credentials.ts"
import type { DataFolder } from "../state/DataFolder.ts"
import * as PrivateFile from "../state/PrivateFile.ts"
import { check, type Finding, ok, problem, warning } from "./Finding.ts"

const patience = 10_000
/** A token is refused if the clocks differ by more. Milliseconds. */
const mostSkew = 60_000

const reach = Effect.fnUntraced(function* (url: string) {
  const response = yield* Effect.tryPromise({
    try: () => fetch(`${url}/version`, { signal: AbortSignal.timeout(patience) }),
    catch: () => temporaryError(`${url} does not respond: check the address, the network and the proxy.`)
  })
  if (!response.ok) {
    return [problem("deployment", `${url} is not a Convex deployment (${response.status})`, "Check the address")]
  }
  const found: Array<Finding> = [ok("deployment", url)]
  const date = Date.parse(response.headers.get("date") ?? "")
  if (Number.isNaN(date)) return found
  const skew = (yield* Clock.currentTimeMillis) - date
  const seconds = Math.round(Math.abs(skew) / 1000)
  const isOff = Math.abs(skew) > mostSkew
  found.push(
    isOff
      ? problem(
          "clock",
          `${seconds} s ${skew > 0 ? "ahead of" : "behind"} the deployment`,
          "Synchronise the clock: tokens are refused otherwise"
        )
      : ok("clock", "agrees with the deployment")
  )
  return found
})

const identity = Effect.fnUntraced(function* (file: string) {
  const known = yield* Credentials.read(file)
  if (Option.isNone(known)) {
    return warning(
      "identity",
      "this worker is not paired yet",
      "Start it, and approve its code (opencode-worker approve)"
    )
  }
  const owner = yield* Pairing.withValidSecret(known.value, (credentials) => Pairing.owner(credentials)).pipe(
    Effect.timeoutOrElse({ duration: patience, orElse: () => temporaryError("The deployment does not respond.") })
  )
  return ok("identity", `belongs to ${owner}`)
})

/** Every JSON file of the data folder can be read, by its owner only. */
const dataFiles = Effect.fnUntraced(function* (folder: DataFolder) {
  const names = yield* Effect.promise(() => readdir(folder.root).catch(() => []))
  const files = names.filter((name) => name.endsWith(".json"))
  yield* Effect.forEach(files, (name) => PrivateFile.read(`${folder.root}/${name}`, Schema.Unknown))
  return ok("data folder", `${folder.root}, ${files.length} files`)
})

const embedded = (folder: DataFolder) =>
  Effect.scoped(
    EmbeddedDeployment.use(({ url }) => Effect.succeed(url)).pipe(
      Effect.provide(EmbeddedDeployment.find(folder)),
      Effect.map((url) => ok("deployment", `embedded, ${url}`))
    )
  )

export const deploymentChecks = (folder: DataFolder, url: string | undefined, credentials: string) => [
  check("data folder", dataFiles(folder)),
  ...(url === undefined
    ? [check("deployment", embedded(folder))]
    : [
        check("deployment", reach(url)),
        check("identity", Effect.provide(identity(credentials), ConvexClient.layer({ url })))
      ])
]
