/** A prompt from its operator to a worker and back, against a deployment in this process. */
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { functionsDir } from "@opencode-worker/convex-backend"
import { api } from "@opencode-worker/convex-backend/api"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { ConvexHttpClient } from "convex/browser"
import { exportJWK, generateKeyPair, SignJWT } from "jose"

// Every identity of this issuer is an operator.
const issuer = "https://me.example"
const { privateKey, publicKey } = await generateKeyPair("ES256")
const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] })

await using deployment = await ConvexEmbedded.make({
  functions: functionsDir,
  dataDir: mkdtempSync(join(tmpdir(), "conversation-")),
  auth: {
    providers: [{ type: "customJwt", issuer, algorithm: "ES256", jwks: `data:text/plain,${encodeURIComponent(jwks)}` }]
  }
})

// A worker without an owner shows a code. It keeps its secret; the deployment gets the hash.
const worker = new ConvexHttpClient(deployment.url)
const secret = randomBytes(32).toString("base64url")
const secretHash = createHash("sha256").update(secret).digest("hex")
const { code } = await worker.mutation(api.pairing.begin, { machine: "laptop", directory: "/home/me/app", secretHash })

// A person types the code, and asks something.
const operator = new ConvexHttpClient(deployment.url)
const token = new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "1" }).setIssuer(issuer).setSubject("me")
operator.setAuth(await token.setIssuedAt().setExpirationTime("1h").sign(privateKey))
const workerId = await operator.action(api.pairing.approve, { code })
const sessionId = await operator.mutation(api.sessions.create, { workerId, idempotencyKey: randomUUID() })
await operator.mutation(api.turns.send, { sessionId, text: "What is in here?", idempotencyKey: randomUUID() })

// The worker takes the lease, then the turn, and answers.
const { epoch } = await worker.mutation(api.lease.acquire, { workerId, secret, processId: randomUUID() })
const lease = { workerId, secret, epoch }
for (const { turnId } of await worker.query(api.queue.listReady, { ...lease, limit: 10 })) {
  const prompt = await worker.mutation(api.queue.claim, { ...lease, turnId, messageId: "msg_1", partId: "prt_1" })
  const payload = JSON.stringify({ text: `You asked: ${prompt?.text}` })
  const parts = [{ index: 0, kind: "text", payload }]
  await worker.mutation(api.queue.finish, { ...lease, turnId, outcome: "completed", parts })
  const { page } = await operator.query(api.turns.parts, { turnId, paginationOpts: { numItems: 20, cursor: null } })
  console.log(page)
}
