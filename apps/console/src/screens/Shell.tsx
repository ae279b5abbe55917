/** Runs shell commands in the directory of a session, where its machine allows that. */
import type { SessionId, Worker } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { type FormEvent, useState } from "react"
import { useAction, useServices } from "../app/Services.ts"
import { shellOutput, type ShellOutput, waitFor } from "../data/commands.ts"
import { t } from "../text/messages.ts"
import { Dialog, Problem } from "../ui/parts.tsx"

/** Milliseconds: the worker ends a command after two minutes. */
const patience = 150_000

export const Shell = ({
  onClose,
  sessionId,
  worker
}: {
  readonly sessionId: SessionId
  readonly worker: Worker
  readonly onClose: () => void
}) => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [line, setLine] = useState("")
  const [output, setOutput] = useState<ShellOutput | null>(null)
  const [isLate, setLate] = useState(false)
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    setOutput(null)
    setLate(false)
    void run(async () => {
      const { isDone, value } = await waitFor(client, await client.sessionActions.shell(sessionId, line), patience)
      if (isDone) setOutput(shellOutput(value))
      else setLate(true)
    })
  }
  return (
    <Dialog title={t("shell.title")} className="wide" onClose={onClose}>
      <form onSubmit={onSubmit}>
        <p className="sub">{t("shell.text", { machine: cleanText(worker.machine) })}</p>
        <div className="field">
          <label htmlFor="shell-line">{t("shell.line")}</label>
          <input
            id="shell-line"
            className="input mono"
            value={line}
            maxLength={10_000}
            autoFocus
            autoCapitalize="none"
            autoComplete="off"
            autoCorrect="off"
            spellCheck={false}
            onChange={({ target }) => setLine(target.value)}
          />
        </div>
        {error !== null && <Problem error={cleanText(error)} />}
        {isLate && <p role="status">{t("session.accepted")}</p>}
        {output !== null && (
          <>
            {output.truncated && <p className="sub">{t("shell.truncated")}</p>}
            <pre className="code tall" tabIndex={0} role="region" aria-label={t("block.output")}>
              {output.text === "" ? t("block.noOutput") : cleanText(output.text)}
            </pre>
          </>
        )}
        <div className="button-row even">
          <button type="button" className="button" onClick={onClose}>
            {t("common.close")}
          </button>
          <button type="submit" className="button primary" disabled={isRunning || line.trim() === ""}>
            {t(isRunning ? "shell.running" : "shell.run")}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
