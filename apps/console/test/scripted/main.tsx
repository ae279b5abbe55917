/** The page over a scripted deployment: `?scenario=full&scope=operate#/inbox`. */
import { type DeviceScope, makeClient } from "@opencode-worker/client"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { makeServices, ServicesProvider } from "../../src/app/Services.ts"
import { Shell } from "../../src/app/Shell.tsx"
import { applyTheme } from "../../src/app/theme.ts"
import { Outbox, type OutboxItem, sendWith } from "../../src/data/Outbox.ts"
import { memoryStore } from "../../src/data/storage.ts"
import { PairScreen } from "../../src/screens/Pair.tsx"
import type { Scenario } from "./fixtures.ts"
import { makeWorld } from "./world.ts"

const given = new URLSearchParams(location.search)
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the test names one that exists
const scenario = (given.get("scenario") ?? "full") as Scenario
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the test names one that exists
const scope = (given.get("scope") ?? "operate") as DeviceScope

applyTheme()
const world = makeWorld(scenario)
const client = makeClient(world.script.connection)
const outbox = new Outbox(memoryStore<OutboxItem>(), sendWith(client))
const services = makeServices(
  { client, outbox, scope, deviceId: "device1", deployment: location.origin, signOut: () => Promise.resolve() },
  memoryStore()
)
Object.assign(globalThis, { scripted: { ...world, outbox } })

const root = document.querySelector("#root")
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      {given.has("pair") ? (
        <PairScreen
          code={null}
          problem={given.get("pair") === "login" ? "The login failed: access_denied" : null}
          login={given.get("pair") === "login" ? { name: "login.test", start: () => Promise.resolve() } : null}
          pair={() => Promise.reject(new Error("This code has expired: create another one"))}
        />
      ) : (
        <ServicesProvider value={services}>
          <Shell />
        </ServicesProvider>
      )}
    </StrictMode>
  )
}
