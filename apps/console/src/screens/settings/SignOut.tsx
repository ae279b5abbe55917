/** Ends the access of this device. */
import { useState } from "react"
import { useAction, useServices } from "../../app/Services.ts"
import { t } from "../../text/messages.ts"
import { Confirm } from "../../ui/parts.tsx"

export const SignOut = () => {
  const { outbox, signOut } = useServices()
  const { error, isRunning, run } = useAction()
  const [isAsking, setAsking] = useState(false)
  const text = `${t("settings.signOutText")}${outbox.items.length === 0 ? "" : ` ${t("settings.forget")}`}`
  return (
    <>
      <div className="button-row">
        <button type="button" className="button small bad" onClick={() => setAsking(true)}>
          {t("settings.signOut")}
        </button>
      </div>
      {isAsking && (
        <Confirm
          text={text}
          action={t("settings.signOut")}
          isRunning={isRunning}
          error={error}
          onClose={() => setAsking(false)}
          onConfirm={() => void run(signOut)}
        />
      )}
    </>
  )
}
