/** A real deployment of this package's functions, with people and workers in it. */
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { ConvexHttpClient } from "convex/browser"
import type { FunctionArgs } from "convex/server"
import { ConvexError, type Value } from "convex/values"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { afterAll, beforeAll } from "vitest"
import { deviceProvider } from "../../convex/deviceProvider.ts"
import { api, type Id } from "../../src/api.ts"
import { functionsUnderClock } from "./clock.ts"

const issuer = "https://issuer.test"
const audience = "opencode-worker"
const adminKey = "the key of the test's administrator"

export interface Credentials {
  readonly workerId: Id<"workers">
  readonly secret: string
}

/** With the epoch of a lease: what a worker's function takes. */
export interface Signature extends Credentials {
  readonly epoch: number
}

const start = async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] })
  const dataDir = mkdtempSync(join(tmpdir(), "convex-backend-"))
  const functions = mkdtempSync(join(tmpdir(), "convex-functions-"))
  await functionsUnderClock(functions)
  const serve = (port: number) =>
    ConvexEmbedded.make({
      functions,
      dataDir,
      port,
      durability: "normal",
      userTimeLimit: 30_000,
      adminKey,
      auth: {
        providers: [
          {
            type: "customJwt",
            issuer,
            applicationID: audience,
            algorithm: "ES256",
            jwks: `data:text/plain;charset=utf-8;base64,${Buffer.from(jwks).toString("base64")}`
          },
          deviceProvider
        ]
      }
    })
  let deployment = await serve(0)
  const { url } = deployment
  const token = (subject: string) =>
    new SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: "1", typ: "JWT" })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime("3 years")
      .sign(privateKey)

  const headers = { authorization: `Convex ${adminKey}` }
  const rowsOf = async (table: string): Promise<ReadonlyArray<string>> =>
    (await (await fetch(`${url}/api/export?table=${table}`, { headers })).text()).split("\n")
  const importRows = async (table: string, mode: "append" | "replace", body: string): Promise<void> => {
    const { status } = await fetch(`${url}/api/import?table=${table}&mode=${mode}`, { method: "POST", headers, body })
    if (status !== 200) throw new Error(`The rows were not written: ${status}`)
  }
  const anonymous = () => new ConvexHttpClient(url, { logger: false })
  return {
    url,
    token,
    anonymous,
    /** Changes a stored row, as if an earlier release had written it. */
    rewrite: async (table: string, id: string, change: Record<string, unknown>) => {
      const row = (await rowsOf(table)).find((line) => line.includes(id))
      await importRows(table, "append", JSON.stringify({ ...JSON.parse(row ?? "{}"), ...change }))
    },
    /** Replaces each row of a table by these rows. */
    replace: async (table: string, change: (row: Record<string, unknown>) => ReadonlyArray<object>) => {
      const rows = (await rowsOf(table)).filter((line) => line !== "").flatMap((line) => change(JSON.parse(line)))
      await importRows(table, "replace", rows.map((row) => JSON.stringify(row)).join("\n"))
    },
    /** Runs an internal function, as the administrator of a deployment can. */
    run: (path: string, args: Record<string, Value>) => deployment.run(path, args),
    /** A person of their own, signed in. */
    operator: async (): Promise<ConvexHttpClient> => {
      const client = anonymous()
      client.setAuth(await token(randomUUID()))
      return client
    },
    /** Restarts at the same address with the same data. Due functions and cron jobs run immediately. */
    restart: async () => {
      await deployment.close()
      deployment = await serve(Number(new URL(url).port))
    },
    close: async () => {
      await deployment.close()
      for (const folder of [dataDir, functions]) rmSync(folder, { force: true, recursive: true })
    }
  }
}

export type Deployment = Awaited<ReturnType<typeof start>>

/** One deployment for a file's tests, which stay apart because each makes its own people and workers. */
export const useDeployment = (): (() => Deployment) => {
  let deployment: Deployment | undefined
  beforeAll(async () => {
    deployment = await start()
  })
  afterAll(() => deployment?.close())
  return () => {
    if (deployment === undefined) throw new Error("The deployment is not started yet")
    return deployment
  }
}

export const newSecret = (): string => randomBytes(32).toString("base64url")
export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** A worker that `operator` paired. */
export const pair = async (operator: ConvexHttpClient, secret = newSecret()): Promise<Credentials> => {
  const { code } = await operator.mutation(api.pairing.begin, {
    machine: "laptop",
    directory: "/work",
    secretHash: sha256(secret)
  })
  return { workerId: await operator.action(api.pairing.approve, { code }), secret }
}

/** A worker that `operator` paired, holding its lease. */
export const enlist = async (operator: ConvexHttpClient): Promise<Signature> => {
  const credentials = await pair(operator)
  const { epoch } = await operator.mutation(api.lease.acquire, { ...credentials, processId: randomUUID() })
  return { ...credentials, epoch }
}

export const newSession = (operator: ConvexHttpClient, workerId: Id<"workers">, title?: string) =>
  operator.mutation(api.sessions.create, {
    workerId,
    idempotencyKey: randomUUID(),
    ...(title !== undefined && { title })
  })

export const send = (operator: ConvexHttpClient, sessionId: Id<"sessions">, text = "Hello") =>
  operator.mutation(api.turns.send, { sessionId, text, idempotencyKey: randomUUID() })

/** Uploads a file as an operator does. */
export const uploaded = async (
  operator: ConvexHttpClient,
  content: string | Uint8Array<ArrayBuffer> = "content",
  type = "text/plain"
): Promise<Id<"_storage">> => {
  const { contentType, url } = await operator.mutation(api.files.uploadUrl, { type, size: content.length })
  return post(url, content, contentType)
}

/** Uploads content to any upload URL. */
export const post = async (
  url: string,
  content: string | Uint8Array<ArrayBuffer>,
  contentType: string
): Promise<Id<"_storage">> => {
  const response = await fetch(url, { method: "POST", body: content, headers: { "content-type": contentType } })
  const { storageId }: { storageId: Id<"_storage"> } = JSON.parse(await response.text())
  return storageId
}

/** A permission to run a command. */
export const permission = {
  opencodeId: "per_1",
  subject: "bash: touch a.txt",
  askedBy: [{ agent: "build", task: null }],
  directory: "/work",
  always: { scope: "touch a.txt", label: "this command" },
  content: {
    kind: "permission" as const,
    permission: "bash",
    sections: [{ name: "command", format: "command" as const, text: "touch a.txt" }]
  },
  timeLimit: 60_000
}

/** Two questions: one that takes several of its options and free text, one that takes an option and nothing else. */
export const question = {
  ...permission,
  opencodeId: "que_1",
  subject: "question: Which? How?",
  always: null,
  content: {
    kind: "question" as const,
    questions: [
      {
        question: "Which?",
        header: "Colour",
        options: [
          { label: "Blue", description: "Like the sky" },
          { label: "Red", description: "" }
        ],
        multiple: true,
        custom: true
      },
      {
        question: "How?",
        header: "",
        options: [
          { label: "Fast", description: "" },
          { label: "Slow", description: "" }
        ],
        multiple: false,
        custom: false
      }
    ]
  }
}

/** Opens a request that no approval covers, and returns its id. */
export const openRequest = async (
  operator: ConvexHttpClient,
  args: FunctionArgs<typeof api.requests.open>
): Promise<Id<"requests">> => {
  const { requestId } = await operator.mutation(api.requests.open, args)
  if (requestId === null) throw new Error("An approval covers this request")
  return requestId
}

export type RequestAnswer = FunctionArgs<typeof api.requests.answer>["answer"]

/** Answers a request as it is shown now. */
export const answerRequest = async (
  operator: ConvexHttpClient,
  requestId: Id<"requests">,
  answer: RequestAnswer
): Promise<null> => {
  const { hash } = await operator.query(api.requests.get, { requestId })
  return operator.mutation(api.requests.answer, { requestId, hash, answer })
}

export const ids = { messageId: "msg_1", partId: "prt_1" }

/** The error code of a rejected call, or `invalid` if the types of its arguments are wrong. */
export const refusalOf = async (call: Promise<unknown>): Promise<unknown> => {
  try {
    return { accepted: await call }
  } catch (error) {
    if (error instanceof ConvexError) return error.data.code
    if (error instanceof Error && error.message.includes("ArgumentValidationError")) return "invalid"
    throw error
  }
}

/** Asks again until the answer fits. The limit is generous: it says that something hangs, not that it is slow. */
export const eventually = async <A>(ask: () => Promise<A>, fits: (answer: A) => boolean): Promise<A> => {
  const deadline = AbortSignal.timeout(60_000)
  for (;;) {
    const answer = await ask()
    if (fits(answer)) return answer
    if (deadline.aborted) throw new Error(`Still ${JSON.stringify(answer)}`)
    await new Promise(setImmediate)
  }
}
