import { once } from "node:events"
import { assert, describe, it, onTestFinished, vi } from "vitest"
import type { AuthProvider } from "../src/index.ts"
import { makeVerifier } from "../src/internal/access/auth.ts"
import { connect, connectHttp, deploy } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import { type Answer, AUDIENCE, KEYS, listen, METADATA, startIssuer } from "./issuer.ts"
import { connectFrame, nextMessage, openSocket } from "./raw.ts"

const refusal = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "accepted",
    (cause: Error) => cause.message
  )

const json =
  (value: (url: string) => object): Answer =>
  (response, url) =>
    response.end(JSON.stringify(value(url)))
const large: Answer = (response) => response.end(" ".repeat(300_000))

const withKeysAt = (jwks: string): AuthProvider => ({
  algorithm: "RS256",
  issuer: "https://issuer.test",
  jwks,
  type: "customJwt"
})

/** Lets time pass for the verifier, which is in this thread. */
const later = (milliseconds: number) => {
  vi.useFakeTimers({ now: Date.now() + milliseconds, toFake: ["Date"] })
  onTestFinished(() => void vi.useRealTimers())
}

describe("OpenID Connect discovery", () => {
  it("is off by default: no request is sent, and the error names the option", async () => {
    const issuer = await startIssuer()
    const http = connectHttp(await deploy({ auth: { providers: [issuer.provider] } }))
    http.setAuth(await issuer.token())
    assert.match(
      await refusal(http.query(api.misc.whoami, {})),
      /keys of http:\/\/127\.0\.0\.1:\d+ require requests to the issuer.*auth: \{ discovery: true \}/
    )
    assert.deepEqual(issuer.asked, [])
  })

  it("fetches the keys of an issuer once for any number of tokens, over the socket and over HTTP", async () => {
    const issuer = await startIssuer()
    const deployment = await deploy({ auth: { discovery: true, providers: [issuer.provider] } })
    const token = await issuer.token()
    const subjects = Array.from({ length: 5 }, async () => {
      const http = connectHttp(deployment)
      http.setAuth(token)
      return (await http.query(api.misc.whoami, {}))?.subject
    })
    assert.deepEqual(new Set(await Promise.all(subjects)), new Set(["ann"]))
    const client = connect(deployment)
    assert.isTrue(await new Promise<boolean>((resolve) => client.setAuth(() => issuer.token(), resolve)))
    assert.equal((await client.query(api.misc.whoami, {}))?.tokenIdentifier, `${issuer.url}|ann`)
    assert.deepEqual(issuer.asked, [METADATA, KEYS])
  })

  it("leaves nothing of a connection that ends while the keys for its token are fetched", async () => {
    const asked = Promise.withResolvers<void>()
    const sent = Promise.withResolvers<void>()
    const issuer = await startIssuer({
      [METADATA]: (response, url) => {
        asked.resolve()
        void sent.promise.then(() => response.end(JSON.stringify({ issuer: url, jwks_uri: url + KEYS })))
      }
    })
    const { url } = await deploy({ auth: { discovery: true, providers: [issuer.provider] } })
    const authenticate = { baseVersion: 0, tokenType: "User", type: "Authenticate", value: await issuer.token() }
    const started = vi.spyOn(globalThis, "setTimeout")
    const ended = vi.spyOn(globalThis, "clearTimeout")
    onTestFinished(() => void vi.restoreAllMocks())
    /** The timers of tokens, which run for 2 h. */
    const timers = () => started.mock.results.filter((_, i) => (started.mock.calls[i]?.[1] ?? 0) > 3_600_000)
    const signIn = async () => {
      const socket = await openSocket(url)
      socket.send(JSON.stringify(connectFrame()))
      socket.send(JSON.stringify(authenticate))
      return socket
    }
    const first = await signIn()
    await asked.promise
    first.close()
    await once(first, "close")
    sent.resolve()
    const second = await signIn()
    await nextMessage(second, ({ type }) => type === "Transition")
    assert.isNotEmpty(timers())
    second.close()
    const left = () => timers().filter(({ value }) => !ended.mock.calls.some(([timer]) => timer === value))
    await vi.waitFor(() => assert.isEmpty(left()))
  })

  it("accepts an issuer with or without protocol and trailing slash", async () => {
    const issuer = await startIssuer({
      [METADATA]: (response, url) => response.end(JSON.stringify({ issuer: `${url}/`, jwks_uri: url + KEYS }))
    })
    const verify = makeVerifier([issuer.provider], true)
    const { identity } = await verify(await issuer.token(`${issuer.url}/`))
    assert.equal(identity["issuer"], `${issuer.url}/`)
    const bare = makeVerifier([{ applicationID: AUDIENCE, domain: "issuer.test" }], false)
    assert.include(
      await refusal(bare(await issuer.token("https://issuer.test/"))),
      "keys of https://issuer.test require requests to the issuer"
    )
  })

  it("fetches an unknown key, at most once in half a minute", async () => {
    const issuer = await startIssuer()
    const verify = makeVerifier([issuer.provider], true)
    await verify(await issuer.token())
    await issuer.rotate()
    const token = await issuer.token()
    for (let i = 0; i < 3; i++) assert.include(await refusal(verify(token)), "no applicable key found")
    assert.deepEqual(issuer.asked, [METADATA, KEYS])
    later(31_000)
    assert.equal((await verify(token)).identity["subject"], "ann")
    await verify(token)
    assert.deepEqual(issuer.asked, [METADATA, KEYS, KEYS])
  })

  it("retries an issuer that failed after half a minute, not before", async () => {
    for (const path of [METADATA, KEYS]) {
      const issuer = await startIssuer({ [path]: (response) => response.writeHead(500).end() })
      const verify = makeVerifier([issuer.provider], true)
      const token = await issuer.token()
      for (let i = 0; i < 3; i++) assert.include(await refusal(verify(token)), "answered with status 500")
      assert.lengthOf(
        issuer.asked.filter((each) => each === path),
        1
      )
      delete issuer.answers[path]
      later(31_000)
      assert.equal((await verify(token)).identity["subject"], "ann")
    }
  })

  it("rejects responses with another issuer, foreign keys, too many bytes, a redirect or no content", async () => {
    const elsewhere = await listen((_, response) => response.end("{}"))
    const redirect: Answer = (response) => response.writeHead(302, { location: elsewhere }).end()
    const cases: ReadonlyArray<readonly [Record<string, Answer>, RegExp]> = [
      [
        { [METADATA]: json((url) => ({ issuer: "https://other.test", jwks_uri: url })) },
        /it is the issuer https:\/\/other/
      ],
      [
        { [METADATA]: json((url) => ({ issuer: url, jwks_uri: "http://other.test/keys" })) },
        /keys cannot be taken from http:\/\/other/
      ],
      [{ [METADATA]: json((url) => ({ issuer: url, jwks_uri: "file:///keys" })) }, /keys cannot be taken from file:/],
      [{ [METADATA]: json((url) => ({ issuer: url })) }, /keys cannot be taken from undefined/],
      [{ [METADATA]: large }, /more than 262144 bytes/],
      [{ [KEYS]: large }, /more than 262144 bytes/],
      [{ [METADATA]: redirect }, /answered with status 302/],
      [{ [KEYS]: redirect }, /answered with status 302/],
      [{ [METADATA]: (response) => response.end("nonsense") }, /cannot be asked for its keys/],
      [{ [KEYS]: json(() => ({ keys: "nonsense" })) }, /Could not validate token/],
      [{ [METADATA]: () => undefined }, /cannot be asked for its keys.*timeout/]
    ]
    const checks = cases.map(async ([answers, reason]) => {
      const issuer = await startIssuer(answers)
      assert.match(await refusal(makeVerifier([issuer.provider], true)(await issuer.token())), reason)
    })
    await Promise.all(checks)
  })

  it("queries remote issuers over https only, and never follows them to this machine", async () => {
    const start = (provider: AuthProvider) => refusal(deploy({ auth: { discovery: true, providers: [provider] } }))
    assert.match(await start({ applicationID: AUDIENCE, domain: "http://issuer.test" }), /must be an https: URL/)
    assert.match(
      await start(withKeysAt("http://issuer.test/keys")),
      /must be a data: URI, a path of an HTTP action, an https: URL, or a URL of this machine/
    )
    assert.equal(await start(withKeysAt("https://issuer.test/keys")), "accepted")

    const fetched: Array<string> = []
    vi.spyOn(globalThis, "fetch").mockImplementation((url) => {
      fetched.push(url as string)
      return Promise.resolve(Response.json({ issuer: "https://issuer.test", jwks_uri: "http://127.0.0.1:1/keys" }))
    })
    onTestFinished(() => void vi.restoreAllMocks())
    const local = await startIssuer()
    const verify = makeVerifier([{ applicationID: AUDIENCE, domain: "https://issuer.test" }], true)
    assert.include(
      await refusal(verify(await local.token("https://issuer.test"))),
      "cannot be taken from http://127.0.0.1:1/keys"
    )
    assert.deepEqual(fetched, [`https://issuer.test${METADATA}`])
  })
})
