/** The answers to a permission. */
import { type OpenRequest, RequestCard } from "@opencode-worker/client"
import { type FormEvent, useState } from "react"
import { t } from "../text/messages.ts"
import type { Answering } from "../ui/useAnswer.ts"

export const RequestActions = ({
  answering: { answer, isSending },
  isWriting,
  onWriting,
  request
}: {
  readonly request: OpenRequest
  readonly answering: Answering
  readonly isWriting: boolean
  readonly onWriting: (isWriting: boolean) => void
}) => {
  const [isLonger, setLonger] = useState(false)
  const [why, setWhy] = useState("")
  const [, ...longer] = RequestCard.reaches(request)
  const labels = {
    once: "request.once",
    turn: "request.turn",
    session: "request.thisSession",
    always: "request.always"
  } as const

  if (isWriting) {
    const onSubmit = (event: FormEvent) => {
      event.preventDefault()
      answer({ type: "reject", ...(why.trim() !== "" && { message: why.trim() }) })
    }
    return (
      <form className="request-actions" onSubmit={onSubmit}>
        <div className="field whole">
          <label htmlFor="why">{t("request.why")}</label>
          <textarea
            id="why"
            className="input"
            rows={3}
            autoFocus
            value={why}
            onChange={({ target }) => setWhy(target.value)}
          />
        </div>
        <button type="submit" className="button primary" disabled={isSending}>
          {t("request.deny")}
        </button>
        <button type="button" className="button" onClick={() => onWriting(false)}>
          {t("common.cancel")}
        </button>
      </form>
    )
  }
  if (isLonger) {
    return (
      <div className="request-actions">
        {longer.map((reach) => (
          <button
            key={reach}
            type="button"
            className="button"
            disabled={isSending}
            onClick={() => answer({ type: reach })}
          >
            {t(labels[reach])}
          </button>
        ))}
        <button type="button" className="button quiet" onClick={() => setLonger(false)}>
          {t("common.cancel")}
        </button>
      </div>
    )
  }
  return (
    <div className="request-actions">
      <button
        type="button"
        className={`button primary ${longer.length === 0 ? "whole" : ""}`}
        disabled={isSending}
        onClick={() => answer({ type: "once" })}
      >
        {t(isSending ? "request.sending" : "request.once")}
      </button>
      {longer.length > 0 && (
        <button type="button" className="button" disabled={isSending} onClick={() => setLonger(true)}>
          {t("request.later")}
        </button>
      )}
      <button type="button" className="button" disabled={isSending} onClick={() => answer({ type: "reject" })}>
        {t("request.deny")}
      </button>
      <button type="button" className="button" disabled={isSending} onClick={() => onWriting(true)}>
        {t("request.denyWhy")}
      </button>
      <p className="sub keys whole">{t("request.keys")}</p>
    </div>
  )
}
