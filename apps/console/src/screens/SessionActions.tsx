/** The actions on a session: rename, compact, fork, redo, run a shell command, delete. */
import type { CommandId, SessionDetails } from "@opencode-worker/client"
import { type FormEvent, useState } from "react"
import { go } from "../app/navigation.ts"
import { useAction, useServices } from "../app/Services.ts"
import { sessionOf, waitFor } from "../data/commands.ts"
import { titleOf, useMachines } from "../data/lists.ts"
import { t } from "../text/messages.ts"
import { Icon, type IconName } from "../ui/icons.tsx"
import { Dialog, Problem } from "../ui/parts.tsx"
import { Shell } from "./Shell.tsx"

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
  const [view, setView] = useState<"menu" | "rename" | "shell" | "delete">("menu")
  const [note, setNote] = useState<string | null>(null)
  const { sessionId, workerId } = session
  const worker = useMachines()(workerId)
  const hasShell = worker?.online === true && worker.info?.shell === true

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
  const compact = () => command(() => client.sessionActions.compact(sessionId))
  const redo = () => command(() => client.sessionActions.redo(sessionId))
  const loadHistory = () => command(() => client.sessions.loadHistory(sessionId))
  const fork = () =>
    command(
      () => client.sessionActions.fork(sessionId),
      (result) => {
        const copy = sessionOf(result)
        if (copy === null) return
        onClose()
        go({ name: "session", sessionId: copy })
      }
    )
  const remove = () =>
    void run(
      () => client.sessions.delete(sessionId),
      () => {
        onClose()
        go({ name: "sessions" }, { replace: true })
      }
    )

  if (view === "shell" && worker !== undefined) return <Shell sessionId={sessionId} worker={worker} onClose={onClose} />
  return (
    <Dialog title={t("session.actions")} onClose={onClose}>
      {(error !== null || note !== null) && (
        <div className="dialog-body">
          {error !== null && <Problem error={error} />}
          {note !== null && <p role="status">{note}</p>}
        </div>
      )}
      {view === "rename" && (
        <form onSubmit={onRename}>
          <div className="field">
            <label htmlFor="session-title">{t("session.title")}</label>
            <input
              id="session-title"
              className="input"
              value={title}
              maxLength={500}
              autoFocus
              onChange={({ target }) => setTitle(target.value)}
              required
            />
          </div>
          <div className="button-row even">
            <button type="button" className="button" onClick={() => setView("menu")}>
              {t("common.cancel")}
            </button>
            <button type="submit" className="button primary" disabled={isRunning || title.trim() === ""}>
              {t("session.rename")}
            </button>
          </div>
        </form>
      )}
      {view === "delete" && (
        <div className="dialog-body">
          <p>{t("session.deleteSure")}</p>
          <div className="button-row even">
            <button type="button" className="button" onClick={() => setView("menu")}>
              {t("common.cancel")}
            </button>
            <button type="button" className="button bad" disabled={isRunning} onClick={remove}>
              {t("session.delete")}
            </button>
          </div>
        </div>
      )}
      {view === "menu" && (
        <div className="menu">
          <Entry icon="edit" label={t("session.rename")} onClick={() => setView("rename")} />
          <Entry icon="compact" label={t("session.compact")} isDisabled={isRunning} onClick={compact} />
          <Entry icon="fork" label={t("session.fork")} isDisabled={isRunning} onClick={fork} />
          <Entry icon="redo" label={t("session.redo")} isDisabled={isRunning} onClick={redo} />
          <Entry icon="history" label={t("session.loadHistory")} isDisabled={isRunning} onClick={loadHistory} />
          {hasShell && <Entry icon="shell" label={t("shell.open")} onClick={() => setView("shell")} />}
          <Entry icon="trash" label={t("session.delete")} isBad onClick={() => setView("delete")} />
        </div>
      )}
    </Dialog>
  )
}

const Entry = ({
  icon,
  isBad = false,
  isDisabled = false,
  label,
  onClick
}: {
  readonly icon: IconName
  readonly label: string
  readonly onClick: () => void
  readonly isBad?: boolean
  readonly isDisabled?: boolean
}) => (
  <button type="button" className={isBad ? "bad" : ""} disabled={isDisabled} onClick={onClick}>
    <Icon name={icon} />
    {label}
  </button>
)
