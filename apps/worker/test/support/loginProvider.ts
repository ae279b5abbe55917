/** A real OpenID Connect provider with the device authorization grant, and a person who uses its pages. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Provider } from "oidc-provider"

const grant = "urn:ietf:params:oauth:grant-type:device_code"

const client = (id: string, grants: ReadonlyArray<string>) => ({
  client_id: id,
  redirect_uris: [],
  response_types: [],
  grant_types: grants,
  token_endpoint_auth_method: "none"
})

/**
 * Clients that a test uses. The code of `brief` is valid for a second, the signature of the tokens of `forged` is wrong, and
 * `plain` receives no ID token. `narrow` may request `openid` only: the provider refuses another scope that it knows, and ignores
 * one that it does not know.
 */
const clients = [
  ...["cli", "other", "brief", "forged", "plain"].map((id) => client(id, [grant])),
  { ...client("narrow", [grant]), scope: "openid" },
  { ...client("web", ["implicit"]), response_types: ["id_token"], redirect_uris: ["https://127.0.0.1/"] }
]

export interface LoginProvider extends AsyncDisposable {
  readonly issuer: string
  /** Requests to it: the method, the path and the query. */
  readonly requests: Array<string>
}

/** `hasDevices`: with the device authorization grant. It asks once for fewer requests. */
export const serveProvider = async ({ hasDevices }: { readonly hasDevices: boolean }): Promise<LoginProvider> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a server that listens on a port
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}`
  const requests: Array<string> = []
  const oidc = new Provider(issuer, {
    clients: hasDevices ? clients : [],
    cookies: { keys: ["of the test"] },
    scopes: ["openid", "calendar"],
    features: { deviceFlow: { enabled: hasDevices } },
    ttl: {
      DeviceCode: (_: unknown, _code: unknown, { clientId }: { readonly clientId: string }) =>
        clientId === "brief" ? 1 : 600,
      AccessToken: 600,
      Grant: 600,
      IdToken: 600,
      Interaction: 600,
      Session: 600
    }
  })
  let isBusy = true
  oidc.use(async (context, next) => {
    if (context.path === "/token" && isBusy) {
      isBusy = false
      context.status = 400
      context.body = { error: "slow_down" }
      return
    }
    await next()
    const { body, oidc: details, path } = context
    // The provider names no interval, so that it would be 5 seconds.
    if (path === "/device/auth") context.body = Object.assign(body ?? {}, { interval: 1 })
    if (body?.id_token === undefined) return
    const clientId = details?.client?.clientId
    const { id_token: token, ...rest } = body
    if (clientId === "plain") context.body = rest
    if (clientId === "forged") {
      const [header, claims, signature = ""] = token.split(".")
      context.body = { ...rest, id_token: `${header}.${claims}.${signature.split("").toReversed().join("")}` }
    }
  })
  server.on("request", (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    void oidc.callback()(request, response)
  })
  return {
    issuer,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** A browser without scripts: cookies, redirects and forms. */
const browser = () => {
  const cookies = new Map<string, string>()
  const visit = async (url: string, form?: Readonly<Record<string, string>>): Promise<string> => {
    const response = await fetch(url, {
      ...(form !== undefined && { method: "POST", body: new URLSearchParams(form) }),
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      redirect: "manual"
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get("location")
    return location === null ? response.text() : visit(new URL(location, url).href)
  }
  /** Sends the form of a page with its hidden fields. */
  const submit = (page: string, base: string, fields: Readonly<Record<string, string>>): Promise<string> => {
    const action = /<form[^>]*action="([^"]*)"/.exec(page)?.[1]
    if (action === undefined) throw new Error(`A page without a form: ${page}`)
    const hidden = [...page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)]
    const values = hidden.map(([, name = "", value = ""]) => [name, value])
    return visit(new URL(action, base).href, { ...Object.fromEntries(values), ...fields })
  }
  return { visit, submit }
}

/** Opens the address of a login, enters its code, and continues or refuses. */
export const answerLogin = async (
  { issuer }: LoginProvider,
  login: { readonly address: string; readonly code: string },
  answer: "accept" | "refuse"
): Promise<void> => {
  const { submit, visit } = browser()
  const confirmation = await submit(await visit(login.address), issuer, { user_code: login.code })
  if (answer === "refuse") return void (await submit(confirmation, issuer, { abort: "yes" }))
  const signIn = await submit(confirmation, issuer, {})
  const consent = await submit(signIn, issuer, { login: "ann", password: "any" })
  const end = await submit(consent, issuer, {})
  if (!end.includes("Success")) throw new Error(`The login has not ended: ${end}`)
}
