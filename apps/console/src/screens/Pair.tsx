/** Signs in: at a login provider if there is one, or by a code that another device shows. */
import { cleanText } from "@opencode-worker/client/text"
import { type FormEvent, useEffect, useRef, useState } from "react"
import { useAction } from "../app/Services.ts"
import { t } from "../text/messages.ts"
import { Problem } from "../ui/parts.tsx"

export interface PairProps {
  /** From the link. */
  readonly code: string | null
  /** Why it is not signed in, if it was, or tried. */
  readonly problem: string | null
  /** Goes to the page of a login provider. */
  readonly login: { readonly name: string; readonly start: () => Promise<void> } | null
  readonly pair: (code: string) => Promise<void>
}

export const PairScreen = ({ code, login, pair, problem }: PairProps) => {
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
        <p className="sub">{t(login === null ? "pair.text" : "pair.loginText")}</p>
        {problem !== null && <Problem error={cleanText(problem)} />}
        {!isSecure && <Problem error={t("pair.insecure")} />}
        {error !== null && <Problem error={cleanText(error)} />}
        {login !== null && (
          <button
            type="button"
            className="button primary"
            disabled={isRunning || !isSecure}
            onClick={() => void run(login.start)}
          >
            {t("pair.login", { provider: login.name })}
          </button>
        )}
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
        <button type="submit" className={`button ${login === null ? "primary" : ""}`} disabled={isRunning || !isSecure}>
          {isRunning ? t("pair.pairing") : t("pair.pair")}
        </button>
      </form>
    </main>
  )
}
