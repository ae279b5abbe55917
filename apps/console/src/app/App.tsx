/** The start of the page: the configuration, the identity of this browser, and the connection. */
import { createClient } from "@opencode-worker/client"
import { useCallback, useEffect, useState } from "react"
import { type Config, loadConfig, type LoginProvider } from "../auth/config.ts"
import { enroll, forget, type Identity, loadIdentity, pair } from "../auth/identity.ts"
import { Outbox, type OutboxItem, sendWith } from "../data/Outbox.ts"
import { openStore } from "../data/storage.ts"
import { PairScreen } from "../screens/Pair.tsx"
import { t } from "../text/messages.ts"
import { renewPush } from "./push.ts"
import { explain, isSignedOut, makeServices, type Services, ServicesProvider } from "./Services.ts"
import { Shell } from "./Shell.tsx"

type State =
  | { readonly name: "starting" }
  | { readonly name: "signedOut"; readonly config: Config; readonly problem: string | null }
  | { readonly name: "signedIn"; readonly services: Services }

/** The services of an identity. */
const connect = ({ deployment, device, scope }: Identity, onSignedOut: (problem: string | null) => void): Services => {
  const client = createClient({ url: deployment, device })
  const outbox = new Outbox(openStore<OutboxItem>("outbox"), sendWith(client))
  void outbox.load()
  const watch = async () => {
    for await (const isConnected of client.watchStatus()) if (isConnected) outbox.flush()
  }
  watch().catch(() => undefined)
  client.workers.list().catch((error: unknown) => {
    if (isSignedOut(error)) onSignedOut(t("pair.revoked"))
  })
  renewPush(client).catch(() => undefined)
  const signOut = async () => {
    await client.devices.leave()
    await forget()
    onSignedOut(null)
    await client[Symbol.asyncDispose]()
  }
  return makeServices({ client, outbox, scope, deviceId: device.deviceId, deployment, signOut })
}

/** The identity that a login provider has confirmed; otherwise the one that this browser has. */
const identityOf = async (
  { deployment, login }: Config,
  response: URLSearchParams | null
): Promise<Identity | undefined> => {
  if (login !== null && response !== null) {
    const { finishLogin } = await import("../auth/login.ts")
    const token = await finishLogin(login, response)
    if (token !== null) return enroll(deployment, token, t("pair.deviceName"))
  }
  return loadIdentity(deployment)
}

const startLogin = async (provider: LoginProvider) => {
  const { beginLogin } = await import("../auth/login.ts")
  location.assign(await beginLogin(provider))
}

/** `code`: of a pairing link. `login`: the response of a login provider. */
export const App = ({ code, login }: { readonly code: string | null; readonly login: URLSearchParams | null }) => {
  const [state, set] = useState<State>({ name: "starting" })
  const [waitingCode, setWaitingCode] = useState(code)

  const signIn = useCallback((config: Config, identity: Identity) => {
    const services = connect(identity, (problem) => set({ name: "signedOut", config, problem }))
    setWaitingCode(null)
    set({ name: "signedIn", services })
  }, [])

  useEffect(() => {
    let isLeft = false
    const start = async () => {
      const config = await loadConfig()
      let identity: Identity | undefined
      let problem: string | null = null
      try {
        identity = waitingCode === null ? await identityOf(config, login) : undefined
      } catch (error) {
        problem = t("pair.loginFailed", { reason: explain(error) })
      }
      if (isLeft) return
      if (identity === undefined) set({ name: "signedOut", config, problem })
      else signIn(config, identity)
    }
    void start()
    return () => {
      isLeft = true
    }
    // The page starts once; a later code is a new page.
  }, [signIn])

  if (state.name === "starting") return null
  if (state.name === "signedOut") {
    const { config, problem } = state
    const provider = config.login
    return (
      <PairScreen
        code={waitingCode}
        problem={problem}
        login={provider && { name: new URL(provider.issuer).host, start: () => startLogin(provider) }}
        pair={async (given) => signIn(config, await pair(config.deployment, given))}
      />
    )
  }
  return (
    <ServicesProvider value={state.services}>
      <Shell />
    </ServicesProvider>
  )
}
