/** Notifications in this browser, also while the page is closed. */
import { cleanText } from "@opencode-worker/client/text"
import { useCallback, useEffect, useState } from "react"
import { hasPushContent, pushState, type PushState, subscribePush, unsubscribePush } from "../../app/push.ts"
import { useAction, useServices } from "../../app/Services.ts"
import { t } from "../../text/messages.ts"
import { Problem } from "../../ui/parts.tsx"

/** Why there is nothing to switch on. */
const reasonOf = (state: PushState): string | null => {
  if (state === "blocked") return t("push.blocked")
  if (state !== "unsupported") return null
  return t(globalThis.isSecureContext ? "push.unsupported" : "push.insecure")
}

export const Push = () => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [state, setState] = useState<PushState | null>(null)
  /** The state that was chosen, until the browser has reached or refused it. */
  const [wanted, setWanted] = useState<PushState | null>(null)
  const [hasContent, setContent] = useState(false)
  const read = useCallback(async () => {
    setState(await pushState().catch(() => "unsupported" as const))
    setWanted(null)
  }, [])
  useEffect(() => {
    const onFocus = () => void read()
    onFocus()
    hasPushContent().then(setContent, () => undefined)
    // The permission may change in the browser's settings.
    addEventListener("focus", onFocus)
    return () => removeEventListener("focus", onFocus)
  }, [read])
  const change = (next: boolean, content: boolean) => {
    setWanted(next ? "on" : "off")
    void run(() => (next ? subscribePush(client, content) : unsubscribePush(client))).finally(() => void read())
  }
  const reason = state === null ? null : reasonOf(state)
  return (
    <>
      <h2 className="section-title">{t("settings.notifications")}</h2>
      <div className="card">
        {reason === null ? (
          <>
            <label className="check">
              <input
                type="checkbox"
                checked={(wanted ?? state) === "on"}
                disabled={isRunning || state === null}
                onChange={({ target }) => change(target.checked, hasContent)}
              />
              {t("settings.pushOn")}
            </label>
            <label className="check">
              <input
                type="checkbox"
                checked={hasContent}
                disabled={isRunning}
                onChange={({ target }) => {
                  setContent(target.checked)
                  if (state === "on") change(true, target.checked)
                }}
              />
              {t("settings.pushContent")}
            </label>
            {error !== null && <Problem error={cleanText(error)} />}
          </>
        ) : (
          <p className="sub" role="status">
            {reason}
          </p>
        )}
      </div>
    </>
  )
}
