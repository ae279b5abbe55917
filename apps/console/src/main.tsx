import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { App } from "./app/App.tsx"
import { pairingCode } from "./app/router.ts"
import { registerServiceWorker } from "./app/serviceWorker.ts"
import { applyTheme } from "./app/theme.ts"

// The code leaves the address bar, and the history, before anything else can read it.
const code = pairingCode(location.hash)
if (code !== null) history.replaceState(null, "", `${location.pathname}#/`)
applyTheme()
registerServiceWorker()

const root = document.querySelector("#root")
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App code={code} />
    </StrictMode>
  )
}
