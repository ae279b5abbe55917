/** An OpenID Connect issuer on this machine, gone when the test ends. */
import { createServer, type RequestListener, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { onTestFinished } from "vitest"
import type { AuthProvider } from "../src/index.ts"

export const AUDIENCE = "embedded-tests"
export const METADATA = "/.well-known/openid-configuration"
export const KEYS = "/keys"

export const listen = async (handle: RequestListener): Promise<string> => {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export type Answer = (response: ServerResponse, url: string) => void

/** `answers` take the place of its own, by path. */
export const startIssuer = async (answers: Record<string, Answer> = {}) => {
  const asked: Array<string> = []
  let kid = 0
  let pair = await generateKeyPair("RS256")
  const url = await listen((request, response) => {
    const path = request.url ?? ""
    asked.push(path)
    const answer = answers[path]
    if (answer !== undefined) return answer(response, url)
    if (path === METADATA) return response.end(JSON.stringify({ issuer: url, jwks_uri: url + KEYS }))
    return void exportJWK(pair.publicKey).then((key) =>
      response.end(JSON.stringify({ keys: [{ ...key, alg: "RS256", kid: String(kid), use: "sig" }] }))
    )
  })
  const token = (issuer = url) =>
    new SignJWT({})
      .setProtectedHeader({ alg: "RS256", kid: String(kid), typ: "JWT" })
      .setSubject("ann")
      .setIssuer(issuer)
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime("2h")
      .sign(pair.privateKey)
  const rotate = async () => {
    pair = await generateKeyPair("RS256")
    kid++
  }
  const provider: AuthProvider = { applicationID: AUDIENCE, domain: url }
  return { answers, asked, provider, rotate, token, url }
}
