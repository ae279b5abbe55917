import { StrictMode } from "react"
import { createRoot } from "react-dom/client"

const root = document.querySelector("#root")
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <main>
        <h1>opencode-worker</h1>
      </main>
    </StrictMode>
  )
}
