/** The actions on a session: rename, compact, fork, redo, delete. */
import type { CommandId, SessionDetails } from "@opencode-worker/client"
import { type FormEvent, useState } from "react"
import { go } from "../app/navigation.ts"
import { useAction, useServices } from "../app/Services.ts"
import { sessionOf, waitFor } from "../data/commands.ts"
import { titleOf } from "../data/lists.ts"
import { t } from "../text/messages.ts"
import { Dialog, Problem } from "../ui/parts.tsx"

export default function SessionActions({
  onClose,
  session
}: {
  readonly session: SessionDetails
  readonly onClose: () => void
}) {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [title, setTitle] = useState(titleOf(session))
  const [isDeleting, setDeleting] = useState(false)
  const [note, setNote] = useState<string | null>(null)
  const { sessionId } = session

  /** Starts a command of the worker, and waits for it while it is online. */
  const command = (start: () => Promise<CommandId>, then: (result: unknown) => void = () => undefined) => {
    setNote(null)
    void run(async () => {
      const result = await waitFor(client, await start())
      setNote(t(result.isDone ? "session.done" : "session.accepted"))
      if (result.isDone) then(result.value)
    })
  }
  const onRename = (event: FormEvent) => {
    event.preventDefault()
    void run(
      () => client.sessions.rename(sessionId, title.trim()),
      () => onClose()
    )
  }
  return (
    <Dialog title={t("session.actions")} onClose={onClose}>
      <form onSubmit={onRename}>
        <div className="field">
          <label htmlFor="session-title">{t("session.title")}</label>
          <input
            id="session-title"
            className="input"
            value={title}
            maxLength={500}
            onChange={({ target }) => setTitle(target.value)}
            required
          />
        </div>
        <button type="submit" className="button primary" disabled={isRunning || title.trim() === ""}>
          {t("session.rename")}
        </button>
        {error !== null && <Problem error={error} />}
        {note !== null && <p role="status">{note}</p>}
        <div className="button-row">
          <button
            type="button"
            className="button small"
            disabled={isRunning}
            onClick={() => command(() => client.sessionActions.compact(sessionId))}
          >
            {t("session.compact")}
          </button>
          <button
            type="button"
            className="button small"
            disabled={isRunning}
            onClick={() =>
              command(
                () => client.sessionActions.fork(sessionId),
                (result) => {
                  const copy = sessionOf(result)
                  if (copy === null) return
                  onClose()
                  go({ name: "session", sessionId: copy })
                }
              )
            }
          >
            {t("session.fork")}
          </button>
          <button
            type="button"
            className="button small"
            disabled={isRunning}
            onClick={() => command(() => client.sessionActions.redo(sessionId))}
          >
            {t("session.redo")}
          </button>
          <button
            type="button"
            className="button small"
            disabled={isRunning}
            onClick={() => command(() => client.sessions.loadHistory(sessionId))}
          >
            {t("session.loadHistory")}
          </button>
        </div>
        {isDeleting ? (
          <>
            <p>{t("session.deleteSure")}</p>
            <div className="button-row even">
              <button type="button" className="button" onClick={() => setDeleting(false)}>
                {t("common.cancel")}
              </button>
              <button
                type="button"
                className="button bad"
                disabled={isRunning}
                onClick={() =>
                  void run(
                    () => client.sessions.delete(sessionId),
                    () => {
                      onClose()
                      go({ name: "sessions" }, { replace: true })
                    }
                  )
                }
              >
                {t("session.delete")}
              </button>
            </div>
          </>
        ) : (
          <button type="button" className="button quiet bad" onClick={() => setDeleting(true)}>
            {t("session.delete")}
          </button>
        )}
      </form>
    </Dialog>
  )
}
