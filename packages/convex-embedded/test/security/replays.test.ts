/** Recorded answers of mutations: no client gets the one to another call by sending its session and request id. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { assert, describe, it } from "vitest"
import { connectHttp, deploy } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"
import { connectFrame, nextMessage, openSocket } from "../raw.ts"

const issuer = async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: "ES256", use: "sig" }] })
  const provider = {
    algorithm: "ES256",
    issuer: "https://issuer.test",
    jwks: `data:application/json,${encodeURIComponent(jwks)}`,
    type: "customJwt"
  } as const
  const token = (subject: string, claims: Record<string, string> = {}) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", typ: "JWT" })
      .setIssuer("https://issuer.test")
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(privateKey)
  return { provider, token }
}

interface Request {
  readonly args?: object
  readonly path?: string
  readonly requestId?: number
  readonly sessionId: string
  readonly token?: string
}

/** Connects, authenticates if there is a token, sends one mutation, and returns its answer. */
const answerTo = async (
  url: string,
  { args = { name: "n" }, path = "counters:add", requestId = 5, sessionId, token }: Request
) => {
  const socket = await openSocket(url)
  socket.send(JSON.stringify(connectFrame(sessionId)))
  if (token !== undefined) {
    socket.send(JSON.stringify({ baseVersion: 0, tokenType: "User", type: "Authenticate", value: token }))
  }
  const answered = nextMessage(socket, ({ type }) => type === "MutationResponse")
  socket.send(JSON.stringify({ args: [args], requestId, type: "Mutation", udfPath: path }))
  const { result, success } = await answered
  socket.terminate()
  return success ? result : String(result)
}

const REFUSED = /Request 5 of this session was used for another call/

describe("recorded answers", () => {
  it("are returned for the same identity, function and arguments only; another call is neither run nor answered", async () => {
    const { provider, token } = await issuer()
    const { url } = await deploy({ auth: { providers: [provider] } })
    const sessionId = crypto.randomUUID()
    const ann = { sessionId, token: await token("ann") }
    assert.equal(await answerTo(url, ann), 1)
    assert.equal(await answerTo(url, ann), 1)
    assert.equal(await answerTo(url, { sessionId, token: await token("ann", { email: "new@test" }) }), 1)
    assert.equal(await answerTo(url, { ...ann, path: "counters.js:add" }), 1, "the same function by another name")
    for (const other of [
      { sessionId },
      { sessionId, token: await token("bob") },
      { ...ann, args: { name: "m" } },
      { ...ann, args: { value: 1 }, path: "misc:echo" },
      { ...ann, path: "counters:missing" }
    ]) {
      assert.match(String(await answerTo(url, other)), REFUSED, JSON.stringify({ ...other, token: "" }))
    }
    assert.equal(await connectHttp({ url }).query(api.counters.read, { name: "n" }), 1)
    assert.equal(await connectHttp({ url }).query(api.counters.read, { name: "m" }), 0)
    assert.equal(await answerTo(url, { ...ann, requestId: 6 }), 2)
  })

  it("of an anonymous client are returned after it signs in, also after a restart", async () => {
    const { provider, token } = await issuer()
    const first = await deploy({ auth: { providers: [provider] } })
    const sessionId = crypto.randomUUID()
    assert.equal(await answerTo(first.url, { sessionId }), 1)
    await first.close()
    const { url } = await deploy({ auth: { providers: [provider] }, dataDir: first.dataDir })
    assert.equal(await answerTo(url, { sessionId, token: await token("ann") }), 1)
    assert.equal(await answerTo(url, { sessionId }), 1)
    assert.equal(await connectHttp({ url }).query(api.counters.read, { name: "n" }), 1)
  })

  it("of a data file of format 3 are not returned, and the file keeps its data", async () => {
    const first = await deploy()
    const sessionId = crypto.randomUUID()
    assert.equal(await answerTo(first.url, { sessionId }), 1)
    await first.close()
    const db = new DatabaseSync(join(first.dataDir, "data.sqlite"))
    db.exec("ALTER TABLE requests DROP COLUMN claim; DROP TABLE secrets; PRAGMA user_version = 3")
    db.close()
    const { url } = await deploy({ dataDir: first.dataDir })
    assert.match(String(await answerTo(url, { sessionId })), REFUSED)
    assert.equal(await connectHttp({ url }).query(api.counters.read, { name: "n" }), 1)
    await connectHttp({ url }).mutation(api.messages.sendMany, { channel: "c", count: 3 })
    const paginationOpts = { cursor: null, numItems: 2 }
    const { continueCursor, page } = await connectHttp({ url }).query(api.messages.page, {
      channel: "c",
      paginationOpts
    })
    assert.lengthOf(page, 2)
    const rest = { channel: "c", paginationOpts: { cursor: continueCursor, numItems: 2 } }
    assert.lengthOf((await connectHttp({ url }).query(api.messages.page, rest)).page, 1)
  })
})
