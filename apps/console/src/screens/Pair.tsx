/** Signs in: a device is paired by a code that another device shows. */
import { cleanText } from "@opencode-worker/client/text"
import { type FormEvent, useEffect, useRef, useState } from "react"
import { useAction } from "../app/Services.ts"
import { t } from "../text/messages.ts"
import { Problem } from "../ui/parts.tsx"

export interface PairProps {
  /** From the link. */
  readonly code: string | null
  readonly isRevoked: boolean
  readonly pair: (code: string) => Promise<void>
}

export const PairScreen = ({ code, isRevoked, pair }: PairProps) => {
  const [typed, setTyped] = useState(code ?? "")
  const { error, isRunning, run } = useAction()
  const isSecure = globalThis.isSecureContext
  const isBegun = useRef(false)

  useEffect(() => {
    // A link pairs at once: its code is valid for a few minutes.
    if (code === null || !isSecure || isBegun.current) return
    isBegun.current = true
    void run(() => pair(code))
  }, [code, isSecure, pair, run])

  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    void run(() => pair(typed.trim()))
  }
  return (
    <main className="pair">
      <form className="card" onSubmit={onSubmit}>
        <img src="/icon.svg" width="56" height="56" alt="" />
        <h1>{t("pair.title")}</h1>
        <p className="sub">{t("pair.text")}</p>
        {isRevoked && <Problem error={t("pair.revoked")} />}
        {!isSecure && <Problem error={t("pair.insecure")} />}
        {error !== null && <Problem error={cleanText(error)} />}
        <div className="field">
          <label htmlFor="code">{t("pair.code")}</label>
          <input
            id="code"
            className="input mono"
            value={typed}
            onChange={({ target }) => setTyped(target.value)}
            autoComplete="one-time-code"
            autoCapitalize="characters"
            spellCheck={false}
            required
          />
        </div>
        <button type="submit" className="button primary" disabled={isRunning || !isSecure}>
          {isRunning ? t("pair.pairing") : t("pair.pair")}
        </button>
      </form>
    </main>
  )
}
