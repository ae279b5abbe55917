/** The product's deployment as a server would run it, and the person who owns what is in it. */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type AsyncConvexClient, createConvexClient } from "@opencode-worker/effect-convex/async"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import type { Traffic } from "./relay.ts"
import type { Settings } from "./serve.ts"

const adminKey = "the key of the benchmark"
const issuer = "https://bench.test"
const operator = "operator"

/** A document as a table has it. */
export type Row = Readonly<Record<string, unknown>>

/** A deployment of the backend in a process of its own, gone when disposed of. */
export const deploy = async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] })
  const dataDir = await mkdtemp(join(tmpdir(), "bench-deployment-"))
  const settings: Settings = {
    dataDir,
    adminKey,
    provider: {
      type: "customJwt",
      issuer,
      algorithm: "ES256",
      jwks: `data:text/plain,${encodeURIComponent(jwks)}`
    }
  }
  const child = fork(fileURLToPath(new URL("./serve.ts", import.meta.url)), [JSON.stringify(settings)])
  const { counted, url } = await said<{ readonly url: string; readonly counted: string }>(child)

  const token = () =>
    new SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: "1", typ: "JWT" })
      .setIssuer(issuer)
      .setSubject(operator)
      .setIssuedAt()
      .setExpirationTime("1d")
      .sign(privateKey)
  const transfer = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(url + path, { ...init, headers: { authorization: `Convex ${adminKey}` } })
    const body = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`)
    return body
  }
  return {
    url,
    /** The same deployment; what is said to it there is counted. */
    counted,
    /** What was said at `counted` since the last call. */
    traffic: () => {
      child.send("traffic")
      return said<Traffic>(child)
    },
    /** A connection of the operator. */
    connect: (): AsyncConvexClient => createConvexClient({ url, auth: token }),
    fill: async (table: string, rows: ReadonlyArray<Row>) => {
      const body = rows.map((row) => JSON.stringify(row)).join("\n")
      await transfer(`/api/import?table=${table}`, { method: "POST", body })
    },
    /** The rows of a table as JSON. */
    rows: async (table: string): Promise<ReadonlyArray<string>> =>
      (await transfer(`/api/export?table=${table}`)).split("\n").filter((line) => line !== ""),
    [Symbol.asyncDispose]: async () => {
      child.disconnect()
      await once(child, "exit")
      await rm(dataDir, { force: true, recursive: true })
    }
  }
}

export type Deployed = Awaited<ReturnType<typeof deploy>>

const said = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`The deployment ended: ${code}`))
    child.once("exit", onExit)
    child.once("message", (received: A) => {
      child.off("exit", onExit)
      resolve(received)
    })
  })
