/** A real deployment of convex-backend in this process, its operators, and workers that run what a test scripts. */
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { functionsDir } from "@opencode-worker/convex-backend"
import { deviceProvider } from "@opencode-worker/convex-backend/functions/deviceProvider"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { ConvexHttpClient } from "convex/browser"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { afterAll, beforeAll } from "vitest"
import { api, type FinalPart, type Segment, type TurnId } from "../../src/api.ts"
import { createClient } from "../../src/index.ts"

const issuer = "https://issuer.test"

const start = async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] })
  const dataDir = mkdtempSync(join(tmpdir(), "client-"))
  const provider = {
    type: "customJwt" as const,
    issuer,
    algorithm: "ES256" as const,
    jwks: `data:text/plain,${encodeURIComponent(jwks)}`
  }
  const serve = (port: number) =>
    ConvexEmbedded.make({
      functions: functionsDir,
      dataDir,
      port,
      durability: "normal",
      userTimeLimit: 30_000,
      auth: { providers: [provider, deviceProvider] }
    })
  let deployment = await serve(0)
  const { url } = deployment
  const token = (subject: string) =>
    new SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: "1", typ: "JWT" })
      .setIssuer(issuer)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime("1d")
      .sign(privateKey)
  const http = new ConvexHttpClient(url, { logger: false })

  return {
    url,
    token,
    /** A client of a new operator. */
    operator: (timeout?: number, subject: string = randomUUID()) =>
      createClient({ url, auth: () => token(subject), ...(timeout !== undefined && { timeout }) }),
    /** A worker that waits for approval. */
    startPairing: async () => {
      const secret = randomBytes(32).toString("base64url")
      const secretHash = createHash("sha256").update(secret).digest("hex")
      const { code, pairingId } = await http.mutation(api.pairing.begin, {
        machine: "laptop",
        directory: "/work",
        secretHash
      })
      return { code, pairingId, secret }
    },
    restart: async () => {
      await deployment.close()
      deployment = await serve(Number(new URL(url).port))
    },
    http,
    close: async () => {
      await deployment.close()
      rmSync(dataDir, { force: true, recursive: true })
    }
  }
}

export type Deployment = Awaited<ReturnType<typeof start>>

/** One deployment for the tests of a file. */
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

/** A worker of the client's operator, and what its process does. */
export const pairedWorker = async (
  { http, startPairing }: Deployment,
  client: ReturnType<Deployment["operator"]>,
  processId = "1"
) => {
  const { code, secret } = await startPairing()
  const workerId = await client.workers.approve(code)
  const { epoch } = await http.mutation(api.lease.acquire, { workerId, secret, processId })
  const signed = { workerId, secret, epoch }
  let messages = 0
  const claim = async (turnId: TurnId) => {
    const id = `msg_${++messages}`
    await http.mutation(api.queue.claim, { ...signed, turnId, messageId: id, partId: `prt_${id}` })
  }
  const deliver = (turnId: TurnId) => http.mutation(api.queue.markDelivered, { ...signed, turnId })
  const append = (turnId: TurnId, seq: number, ...segments: ReadonlyArray<Segment>) =>
    http.mutation(api.queue.appendDeltas, { ...signed, batches: [{ turnId, seq, segments: [...segments] }] })
  const finishWith = (turnId: TurnId, parts: Array<FinalPart>) =>
    http.mutation(api.queue.finish, { ...signed, turnId, outcome: "completed", parts })
  const finish = (turnId: TurnId, texts: ReadonlyArray<string>) =>
    http.mutation(api.queue.finish, {
      ...signed,
      turnId,
      outcome: "completed",
      usage: { input: 1, output: 2, reasoning: 0, cost: 0.5 },
      answeredBy: { model: "test/echo", agent: "build" },
      parts: texts.map((text, index) => ({
        index,
        kind: "text",
        payload: JSON.stringify({ id: `part${index}`, text })
      }))
    })
  return {
    workerId,
    signed,
    claim,
    deliver,
    append,
    finish,
    finishWith,
    requeue: (turnId: TurnId) => http.mutation(api.queue.requeue, { ...signed, turnId }),
    /** Runs a turn from claim to end. */
    answer: async (turnId: TurnId, ...pieces: ReadonlyArray<string>) => {
      await claim(turnId)
      await deliver(turnId)
      for (const [index, text] of pieces.entries())
        await append(turnId, index + 1, { partId: "part0", kind: "text", text })
      await finish(turnId, [pieces.join("")])
    }
  }
}

/** The turns that a worker can run, as soon as there is one. */
export const nextTurn = async (
  { http }: Deployment,
  signed: Awaited<ReturnType<typeof pairedWorker>>["signed"]
): Promise<TurnId> => {
  for (;;) {
    const [first] = await http.query(api.queue.listReady, { ...signed, limit: 1 })
    if (first !== undefined) return first.turnId
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
