import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { assert, beforeAll, describe, it, onTestFinished, vi } from "vitest"
import type { AuthProvider } from "../src/index.ts"
import { makeVerifier } from "../src/internal/access/auth.ts"
import { connect, connectHttp, deploy, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import { listen } from "./issuer.ts"

const ISSUER = "https://issuer.test"
const AUDIENCE = "embedded-tests"

type Algorithm = "ES256" | "RS256"
type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>
const keys = {} as Record<Algorithm | "foreign", KeyPair>
beforeAll(async () => {
  keys.ES256 = await generateKeyPair("ES256", { extractable: true })
  keys.RS256 = await generateKeyPair("RS256", { extractable: true })
  keys.foreign = await generateKeyPair("ES256", { extractable: true })
})

const keySet = async (algorithm: Algorithm) =>
  JSON.stringify({
    keys: [{ ...(await exportJWK(keys[algorithm].publicKey)), alg: algorithm, kid: algorithm, use: "sig" }]
  })

const provider = async (algorithm: Algorithm = "ES256"): Promise<AuthProvider> => ({
  algorithm,
  applicationID: AUDIENCE,
  issuer: ISSUER,
  jwks: `data:text/plain;charset=utf-8;base64,${Buffer.from(await keySet(algorithm)).toString("base64")}`,
  type: "customJwt"
})

interface TokenOptions {
  readonly algorithm?: Algorithm
  readonly key?: KeyPair
  readonly issuer?: string
  readonly audience?: string
  readonly lifetimeSeconds?: number
}

const token = ({
  algorithm = "ES256",
  audience = AUDIENCE,
  issuer = ISSUER,
  key,
  lifetimeSeconds = 3600
}: TokenOptions = {}) => {
  const now = Math.floor(Date.now() / 1000)
  return new SignJWT({ email: "ann@test", given_name: "Ann" })
    .setProtectedHeader({ alg: algorithm, kid: algorithm, typ: "JWT" })
    .setSubject("ann")
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetimeSeconds)
    .sign((key ?? keys[algorithm]).privateKey)
}

describe("auth", () => {
  it("a valid token sets the identity, over the socket and over HTTP", async () => {
    for (const algorithm of ["ES256", "RS256"] as const) {
      const deployment = await deploy({ auth: { providers: [await provider(algorithm)] } })
      const http = connectHttp(deployment)
      assert.isNull(await http.query(api.misc.whoami, {}))
      http.setAuth(await token({ algorithm }))
      const identity = await http.query(api.misc.whoami, {})
      assert.deepInclude(identity, {
        email: "ann@test",
        givenName: "Ann",
        issuer: ISSUER,
        subject: "ann",
        tokenIdentifier: `${ISSUER}|ann`
      })
      assert.equal(await http.action(api.misc.whoamiAction, {}), "ann")

      const client = connect(deployment)
      const who = watch(client, api.misc.whoami, {})
      await who.until((value) => value === null)
      const accepted = new Promise<boolean>((resolve) => client.setAuth(() => token({ algorithm }), resolve))
      assert.isTrue(await accepted)
      await who.until((value) => value !== null && !(value instanceof Error) && value.subject === "ann")
      client.client.clearAuth()
      await who.until((value) => value === null && who.seen.length > 1)
    }
  })

  it("accepts keys from a URL of this machine", async () => {
    const body = await keySet("ES256")
    const server = createServer((_, response) => response.end(body))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => void server.close())
    const jwks = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
    const deployment = await deploy({ auth: { providers: [{ ...(await provider()), jwks }] } })
    const http = connectHttp(deployment)
    http.setAuth(await token())
    assert.equal((await http.query(api.misc.whoami, {}))?.subject, "ann")
  })

  it("accepts keys from an HTTP action of the deployment, under any port", async () => {
    process.env["EMBEDDED_TEST_KEYS"] = await keySet("ES256")
    const deployment = await deploy({ auth: { providers: [{ ...(await provider()), jwks: "/own-keys" }] } })
    const http = connectHttp(deployment)
    http.setAuth(await token())
    assert.equal((await http.query(api.misc.whoami, {}))?.subject, "ann")
    http.setAuth(await token({ key: keys.foreign }))
    const refusal = await http.query(api.misc.whoami, {}).then(() => "accepted", String)
    assert.include(refusal, "InvalidAuthHeader")
  })

  it("accepts tokens soon after an HTTP action of the deployment failed to return its keys", async () => {
    const body = await keySet("ES256")
    let requests = 0
    const url = await listen((_, response) => {
      response.statusCode = ++requests === 1 ? 503 : 200
      response.end(body)
    })
    const jwks = `/relay?of=${encodeURIComponent(url)}`
    const deployment = await deploy({ auth: { providers: [{ ...(await provider()), jwks }] } })
    const http = connectHttp(deployment)
    http.setAuth(await token())
    const refusal = await http.query(api.misc.whoami, {}).then(() => "accepted", String)
    assert.include(refusal, "503")
    // Less than the 30 s for which the failure of a foreign issuer is kept.
    await vi.waitFor(async () => assert.equal((await http.query(api.misc.whoami, {}))?.subject, "ann"), {
      timeout: 15_000
    })
  })

  it("rejects tokens whose keys are on another machine, and names the option that allows it", async () => {
    const elsewhere = { ...(await provider()), jwks: "https://example.com/jwks.json" } as AuthProvider
    const http = connectHttp(await deploy({ auth: { providers: [elsewhere] } }))
    assert.isNull(await http.query(api.misc.whoami, {}))
    http.setAuth(await token())
    const refusal = await http.query(api.misc.whoami, {}).then(() => "accepted", String)
    assert.match(refusal, /keys of https:\/\/issuer\.test require requests to the issuer.*discovery: true/)
  })

  it("rejects incomplete providers", async () => {
    const good = await provider()
    for (const bad of [
      {},
      { domain: "https://issuer.test" },
      { applicationID: AUDIENCE, domain: undefined },
      { ...good, issuer: undefined },
      { ...good, algorithm: "none" },
      { ...good, type: "another" }
    ]) {
      assert.throws(() => makeVerifier([bad as never], true), "An auth provider must be { domain, applicationID } or")
    }
  })

  it("rejects tokens with a wrong key, issuer, audience or algorithm, and expired tokens", async () => {
    const deployment = await deploy({ auth: { providers: [await provider()] } })
    const bad = {
      algorithm: await token({ algorithm: "RS256" }),
      audience: await token({ audience: "another" }),
      issuer: await token({ issuer: "https://another.test" }),
      key: await token({ key: keys.foreign }),
      nonsense: "nonsense",
      old: await token({ lifetimeSeconds: -10 })
    }
    for (const [what, value] of Object.entries(bad)) {
      const http = connectHttp(deployment)
      http.setAuth(value)
      const refusal = await http.query(api.misc.whoami, {}).then(
        () => "accepted",
        (cause: Error) => cause.message
      )
      assert.include(refusal, "InvalidAuthHeader", what)
      const client = connect(deployment)
      const accepted = new Promise<boolean>((resolve) => client.setAuth(() => Promise.resolve(value), resolve))
      assert.isFalse(await accepted, what)
    }
  })

  it("the identity ends when the token expires", async () => {
    const deployment = await deploy({ auth: { providers: [await provider()] } })
    const client = connect(deployment)
    const who = watch(client, api.misc.whoami, {})
    let fetched = 0
    client.setAuth(() => {
      fetched++
      if (fetched === 1) return token({ lifetimeSeconds: 3 })
      // The client requests another token at once. This ends when the deployment reports that the first one has expired.
      return fetched === 2 ? new Promise(() => {}) : Promise.resolve(null)
    })
    await who.until((value) => value !== null)
    await who.until((value) => value === null && who.seen.length > 1)
    assert.isAbove(fetched, 1)
  })

  it("the previous identity applies while a new token is verified", async () => {
    const body = await keySet("RS256")
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    const server = createServer((_, response) => {
      asked.resolve()
      void answer.promise.then(() => response.end(body))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => void server.close())
    const slow = { ...(await provider("RS256")), jwks: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
    const deployment = await deploy({ auth: { providers: [await provider(), slow] } })

    const socket = new WebSocket(`${deployment.url.replace("http", "ws")}/api/1.48.0/sync`)
    onTestFinished(() => socket.close())
    const seen: Array<unknown> = []
    let changed = Promise.withResolvers<void>()
    socket.addEventListener("message", ({ data }) => {
      const { modifications = [] } = JSON.parse(String(data)) as { modifications?: Array<{ value: unknown }> }
      seen.push(...modifications.map(({ value }) => value))
      changed.resolve()
      changed = Promise.withResolvers()
    })
    const until = async (value: unknown) => {
      while (JSON.stringify(seen.at(-1)) !== JSON.stringify(value)) await changed.promise
    }
    await new Promise((resolve) => socket.addEventListener("open", resolve))
    const send = (message: object) => socket.send(JSON.stringify(message))
    const authenticate = (baseVersion: number, value: string) =>
      send({ baseVersion, tokenType: "User", type: "Authenticate", value })
    const add = { args: [{}], queryId: 0, type: "Add", udfPath: "misc:whoamiAfter" }
    send({ connectionCount: 0, lastCloseReason: null, sessionId: crypto.randomUUID(), type: "Connect" })
    authenticate(0, await token())
    send({ baseVersion: 0, modifications: [add], newVersion: 1, type: "ModifyQuerySet" })
    await until(["ann", 0])

    authenticate(1, await token({ algorithm: "RS256" }))
    await asked.promise
    await connectHttp(deployment).mutation(api.misc.put, { value: 1 })
    await until(["ann", 1])
    answer.resolve()
    await connectHttp(deployment).mutation(api.misc.put, { value: 2 })
    await until(["ann", 2])
    assert.isFalse(seen.some((value) => Array.isArray(value) && value[0] === null))
    assert.equal(socket.readyState, WebSocket.OPEN)
  })
})
