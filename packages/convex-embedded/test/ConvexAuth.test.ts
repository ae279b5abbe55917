/** The functions that the setup of Convex Auth writes, with a password and an OAuth provider, through the real clients. */
import { exportJWK, exportPKCS8, generateKeyPair } from "jose"
import { makeFunctionReference } from "convex/server"
import { assert, describe, it, onTestFinished, vi } from "vitest"
import { connect, connectHttp, deploy, watch } from "./deployment.ts"
import { listen } from "./issuer.ts"
import { project } from "./project.ts"

interface SignedIn {
  readonly tokens?: { readonly refreshToken: string; readonly token: string } | null
  readonly redirect?: string
  readonly verifier?: string
}

const signIn = makeFunctionReference<"action", Record<string, unknown>, SignedIn>("auth:signIn")
const signOut = makeFunctionReference<"action", Record<string, never>, null>("auth:signOut")
const viewer = makeFunctionReference<"query", Record<string, never>, string | null>("users:viewer")

const PROJECT = {
  "auth.config.ts": `
    export default { providers: [{ applicationID: "convex", domain: process.env.CONVEX_SITE_URL }] }`,
  "auth.ts": `
    import { Password } from "@convex-dev/auth/providers/Password"
    import { convexAuth } from "@convex-dev/auth/server"
    const at = (path) => ({ url: process.env.TEST_OAUTH_URL + path })
    const Local = {
      id: "local", name: "Local", type: "oauth", clientId: "client", clientSecret: "secret", checks: ["state"],
      authorization: { ...at("/authorize"), params: { scope: "user" } }, token: at("/token"),
      userinfo: { ...at("/user"), request: async ({ provider }) => (await fetch(provider.userinfo.url)).json() },
      profile: ({ email, id }) => ({ email, id })
    }
    export const { auth, isAuthenticated, signIn, signOut, store } = convexAuth({ providers: [Password, Local] })`,
  "http.ts": `
    import { httpRouter } from "convex/server"
    import { auth } from "./auth"
    const http = httpRouter()
    auth.addHttpRoutes(http)
    export default http`,
  "schema.ts": `
    import { authTables } from "@convex-dev/auth/server"
    import { defineSchema } from "convex/server"
    export default defineSchema({ ...authTables })`,
  "users.ts": `
    import { getAuthUserId } from "@convex-dev/auth/server"
    import { query } from "./_generated/server"
    export const viewer = query(async (ctx) => {
      const userId = await getAuthUserId(ctx)
      return userId === null ? null : (await ctx.db.get(userId)).email
    })`
}

const setUp = async () => {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true })
  const environment = {
    JWKS: JSON.stringify({ keys: [{ use: "sig", ...(await exportJWK(publicKey)) }] }),
    JWT_PRIVATE_KEY: (await exportPKCS8(privateKey)).trimEnd().replaceAll("\n", " "),
    SITE_URL: "http://127.0.0.1:5173",
    TEST_OAUTH_URL: await listen((request, response) => {
      response.setHeader("content-type", "application/json")
      const isToken = request.url === "/token"
      response.end(JSON.stringify(isToken ? { access_token: "a", token_type: "bearer" } : { email: "o@test", id: "7" }))
    })
  }
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  onTestFinished(() => void vi.unstubAllEnvs())
  return deploy({ functions: project(PROJECT) })
}

describe("Convex Auth", () => {
  it("signs up with a password and by OAuth; sessions are refreshed and signed out", async () => {
    const deployment = await setUp()
    const http = connectHttp(deployment)
    const account = { email: "ann@test", password: "correct horse" }
    const withPassword = (flow: string, password = account.password) =>
      http.action(signIn, { params: { ...account, flow, password }, provider: "password" })
    const { tokens } = await withPassword("signUp")
    assert.isNull(await http.query(viewer, {}))
    const client = connect(deployment)
    const seen = watch(client, viewer, {})
    await seen.until((value) => value === null)
    client.setAuth(() => Promise.resolve(tokens!.token))
    await seen.until((value) => value === "ann@test")
    const refreshed = await http.action(signIn, { refreshToken: tokens!.refreshToken })
    assert.isString(refreshed.tokens?.token)
    assert.isString((await withPassword("signIn")).tokens?.token)
    const wrong = await withPassword("signIn", "wrong horse").then(() => "accepted", String)
    assert.include(wrong, "InvalidSecret")
    await client.action(signOut, {})
    assert.isNull((await http.action(signIn, { refreshToken: refreshed.tokens!.refreshToken })).tokens)

    // The routes of OAuth are below /api/auth.
    const { redirect, verifier } = await http.action(signIn, { params: { redirectTo: "/done" }, provider: "local" })
    assert.include(redirect, `${deployment.url}/api/auth/signin/local`)
    const started = await fetch(redirect!, { redirect: "manual" })
    assert.equal(started.status, 302)
    const authorize = new URL(started.headers.get("location")!)
    const callback = new URL(authorize.searchParams.get("redirect_uri")!)
    assert.equal(callback.href, `${deployment.url}/api/auth/callback/local`)
    const cookie = started.headers.getSetCookie().map((each) => each.split(";")[0]!)
    const state = authorize.searchParams.get("state")
    callback.search = new URLSearchParams({ code: "c", ...(state !== null && { state }) }).toString()
    const back = await fetch(callback, { headers: { cookie: cookie.join("; ") }, redirect: "manual" })
    const code = new URL(back.headers.get("location")!).searchParams.get("code")
    const byOAuth = await http.action(signIn, { params: { code }, verifier })
    http.setAuth(byOAuth.tokens!.token)
    assert.equal(await http.query(viewer, {}), "o@test")
  })
})
