/** Notifications in this browser, also while the page is closed. */
import { useEffect, useState } from "react"
import { useAction, useServices } from "../../app/Services.ts"
import { canPush, pushSubscription, subscribePush, unsubscribePush } from "../../app/serviceWorker.ts"
import { t } from "../../text/messages.ts"
import { Problem } from "../../ui/parts.tsx"

export const Push = () => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [isOn, setOn] = useState(false)
  const [hasContent, setContent] = useState(false)
  useEffect(() => {
    const read = async () => setOn((await pushSubscription()) !== null)
    read().catch(() => undefined)
  }, [])
  const change = (next: boolean, content: boolean) =>
    void run(
      () => (next ? subscribePush(client, content) : unsubscribePush(client)),
      () => setOn(next)
    )
  return (
    <>
      <h2 className="section-title">{t("settings.notifications")}</h2>
      <div className="card">
        {canPush() ? (
          <>
            <label className="check">
              <input
                type="checkbox"
                checked={isOn}
                disabled={isRunning}
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
                  if (isOn) change(true, target.checked)
                }}
              />
              {t("settings.pushContent")}
            </label>
            {error !== null && <Problem error={error} />}
          </>
        ) : (
          <p className="sub">{t("settings.pushNone")}</p>
        )}
      </div>
    </>
  )
}
