/** The start of the page: the configuration, the identity of this browser, and the connection. */
import { createClient } from "@opencode-worker/client"
import { useCallback, useEffect, useState } from "react"
import { type Config, loadConfig } from "../auth/config.ts"
import { forget, type Identity, loadIdentity, pair } from "../auth/identity.ts"
import { Outbox, type OutboxItem, sendWith } from "../data/Outbox.ts"
import { openStore } from "../data/storage.ts"
import { PairScreen } from "../screens/Pair.tsx"
import { isSignedOut, makeServices, type Services, ServicesProvider } from "./Services.ts"
import { renewPush } from "./serviceWorker.ts"
import { Shell } from "./Shell.tsx"

type State =
  | { readonly name: "starting" }
  | { readonly name: "signedOut"; readonly config: Config; readonly isRevoked: boolean }
  | { readonly name: "signedIn"; readonly services: Services }

/** The services of an identity. `onRevoked`: the deployment no longer accepts the device. */
const connect = ({ deployment, device, scope }: Identity, onSignedOut: (isRevoked: boolean) => void): Services => {
  const client = createClient({ url: deployment, device })
  const outbox = new Outbox(openStore<OutboxItem>("outbox"), sendWith(client))
  void outbox.load()
  const watch = async () => {
    for await (const isConnected of client.watchStatus()) if (isConnected) outbox.flush()
  }
  watch().catch(() => undefined)
  client.workers.list().catch((error: unknown) => {
    if (isSignedOut(error)) onSignedOut(true)
  })
  renewPush(client).catch(() => undefined)
  const signOut = async () => {
    await client.devices.leave()
    await forget()
    onSignedOut(false)
    await client[Symbol.asyncDispose]()
  }
  return makeServices({ client, outbox, scope, deviceId: device.deviceId, deployment, signOut })
}

export const App = ({ code }: { readonly code: string | null }) => {
  const [state, set] = useState<State>({ name: "starting" })
  const [waitingCode, setWaitingCode] = useState(code)

  const signIn = useCallback((config: Config, identity: Identity) => {
    const services = connect(identity, (isRevoked) => set({ name: "signedOut", config, isRevoked }))
    setWaitingCode(null)
    set({ name: "signedIn", services })
  }, [])

  useEffect(() => {
    let isLeft = false
    const start = async () => {
      const config = await loadConfig()
      const identity = waitingCode === null ? await loadIdentity(config.deployment) : undefined
      if (isLeft) return
      if (identity === undefined) set({ name: "signedOut", config, isRevoked: false })
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
    const { config, isRevoked } = state
    return (
      <PairScreen
        code={waitingCode}
        isRevoked={isRevoked}
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
