import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { App } from "./app/App.tsx"
import { loginResponse, pairingCode } from "./app/router.ts"
import { registerServiceWorker } from "./app/serviceWorker.ts"
import { applyTheme } from "./app/theme.ts"

// A code leaves the address bar, and the history, before anything else can read it.
const code = pairingCode(location.hash)
const login = loginResponse(location)
if (code !== null || login !== null) history.replaceState(null, "", `${location.pathname}#/`)
applyTheme()
registerServiceWorker()

const root = document.querySelector("#root")
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App code={code} login={login} />
    </StrictMode>
  )
}
